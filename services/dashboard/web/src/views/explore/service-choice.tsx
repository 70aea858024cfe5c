// A choice of one of the services that were heard of.

import { For, type JSX, Show } from "solid-js";
import { serviceName } from "../../lib/names";
import type { Asked } from "../../ui/ask";
import type { Services } from "./services";

interface ServiceChoiceProps {
  label: string;
  /** What no service means. */
  none: string;
  value: string;
  services: Asked<Services>;
  /** Left out of the choice; empty for none. */
  without?: string;
  choose: (service: string) => void;
}

export function ServiceChoice(props: ServiceChoiceProps): JSX.Element {
  const all = () => (props.services.data()?.services ?? []).map((one) => serviceName(one.identity));
  const names = () => all().filter((name) => name !== props.without);
  // What the address says stays chosen, also where nothing was heard of it in this range.
  const isUnheard = () => props.value !== "" && !names().includes(props.value);
  return (
    <label class="field">
      {props.label}
      <select onChange={(event) => props.choose(event.currentTarget.value)}>
        <option value="" selected={props.value === ""}>
          {props.services.isLoading() && !props.services.error() ? "Loading…" : props.none}
        </option>
        <Show when={isUnheard()}>
          <option value={props.value} selected>
            {props.value}
            {props.services.data() ? " (not heard of in this range)" : ""}
          </option>
        </Show>
        <For each={names()}>
          {(name) => (
            <option value={name} selected={props.value === name}>
              {name}
            </option>
          )}
        </For>
      </select>
    </label>
  );
}
