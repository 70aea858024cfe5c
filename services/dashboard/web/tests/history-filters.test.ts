// @vitest-environment node
import { State } from "@contracts/incident/v1/incident_pb";
import { describe, expect, it } from "vitest";
import { commandFor, quoted, readStates, STATES, writeStates } from "../src/views/history/filters";

describe("states of an address", () => {
  it("are read by the names of the command line", () =>
    expect(readStates("open, AWAITING_APPROVAL,open").states).toEqual([State.OPEN, State.AWAITING_APPROVAL]));
  it("that are none are said, not taken for others", () =>
    expect(readStates("open,asleep")).toEqual({ states: [State.OPEN], unknown: ["asleep"] }));
  it("are written in the order of life, and not at all where all are meant", () => {
    expect(writeStates([State.RESOLVED, State.OPEN])).toBe("open,resolved");
    expect(writeStates(STATES.map((state) => state.value))).toBe("");
    expect(writeStates([])).toBe("");
  });
  it("are all but the one that is not stated", () => {
    expect(STATES.map((state) => state.key)).toEqual([
      "open",
      "diagnosing",
      "awaiting_approval",
      "remediating",
      "verifying",
      "rolling_back",
      "escalated",
      "resolved",
      "duplicate",
    ]);
  });
});

describe("the command line", () => {
  const filters = { states: [], service: "", fingerprint: "", isJudged: false };

  it("lists the same", () => {
    expect(commandFor(filters)).toBe("llm-sre incidents list");
    expect(commandFor({ ...filters, states: [State.OPEN, State.ESCALATED], service: "shop" })).toBe(
      "llm-sre incidents list --state open,escalated --service shop",
    );
  });
  it("takes a word for a word, whatever is in it", () => {
    expect(quoted("a b; rm -r x")).toBe("'a b; rm -r x'");
    expect(quoted("it's")).toBe(`'it'\\''s'`);
  });
});
