// Which incidents are asked for, as the address says it.

import { State, StateSchema } from "@contracts/incident/v1/incident_pb";
import { enumName } from "../../lib/names";

export interface Filters {
  states: readonly State[];
  service: string;
  fingerprint: string;
  isJudged: boolean;
}

/** All states, in the order of an incident's life, by the names that the command line has for them. */
export const STATES: readonly { value: State; key: string; name: string }[] = Object.values(State)
  .filter((value): value is State => typeof value === "number" && value !== State.UNSPECIFIED)
  .map((value) => {
    const name = enumName(StateSchema, value);
    return { value, key: name.replaceAll(" ", "_"), name };
  });

/** States that the address names, each once; what is no state is left out, and said. */
export function readStates(text: string): { states: State[]; unknown: string[] } {
  const keys = [...new Set(text.split(",").map((key) => key.trim().toLowerCase()).filter((key) => key !== ""))];
  const known = (key: string) => STATES.find((state) => state.key === key);
  return {
    states: keys.flatMap((key) => known(key)?.value ?? []),
    unknown: keys.filter((key) => !known(key)),
  };
}

/** What {@link readStates} reads; nothing for all. */
export function writeStates(states: readonly State[]): string {
  const chosen = STATES.filter((state) => states.includes(state.value));
  return chosen.length === STATES.length ? "" : chosen.map((state) => state.key).join(",");
}

/** The command line that lists the same, as far as it can. */
export function commandFor(filters: Filters): string {
  const states = filters.states.length ? ` --state ${writeStates(filters.states)}` : "";
  const service = filters.service ? ` --service ${quoted(filters.service)}` : "";
  return `llm-sre incidents list${states}${service}`;
}

/** As a shell takes it for one word. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
