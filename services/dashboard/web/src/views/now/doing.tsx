// What the product did lately, newest first, across all incidents.

import { type JSX, Show } from "solid-js";
import { isKnown, live } from "../../client/live";
import type { Step } from "../../client/steps";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import { shortId } from "../../lib/names";
import { millis } from "../../lib/time";
import { Keyed } from "../../ui/keyed";
import { Moment } from "../../ui/moment";
import { Panel } from "../../ui/panel";

/** A timeline is only ever added to. */
const keyOf = ({ incident, entry }: Step): string => `${incident} ${millis(entry.time)} ${entry.message}`;

export function Doing(): JSX.Element {
  const none = () =>
    isKnown(Part.INCIDENTS)
      ? "Nothing had to be done since this page was opened."
      : "Nothing had been done when it was heard last; whether anything was since is not known.";
  return (
    <Panel
      title="Latest steps"
      isLoading={!live.isCaught()}
      error={live.problems().get(Part.INCIDENTS)}
      empty={live.steps().length === 0 ? none() : undefined}
    >
      <ol class="steps">
        <Keyed each={live.steps()} by={keyOf}>
          {(step) => (
            <li>
              <span class="muted">
                <Moment time={step().entry.time} /> {step().entry.actor}
              </span>{" "}
              {step().entry.message}{" "}
              <a href={`/${step().incident}`} title={step().title}>
                incident {shortId(step().incident)}
              </a>
              <Show when={step().waitsFor}>
                <span class="waiting"> · waits: {step().waitsFor}</span>
              </Show>
            </li>
          )}
        </Keyed>
      </ol>
    </Panel>
  );
}
