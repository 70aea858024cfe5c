// What the product did lately, newest first, across all incidents.

import { type JSX, Show } from "solid-js";
import { isIncidentsKnown, live, STEPS_MAX } from "../../client/live";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import type { Incident, TimelineEntry } from "@contracts/incident/v1/incident_pb";
import { shortId } from "../../lib/names";
import { millis } from "../../lib/time";
import { Keyed } from "../../ui/keyed";
import { Moment } from "../../ui/moment";
import { Panel } from "../../ui/panel";

interface Step {
  incident: Incident;
  entry: TimelineEntry;
}

/** A timeline is only ever added to. */
const keyOf = ({ incident, entry }: Step): string => `${incident.name} ${millis(entry.time)} ${entry.message}`;

function lately(incidents: Iterable<Incident>): Step[] {
  const steps = [...incidents].flatMap((incident) => incident.timeline.slice(-STEPS_MAX).map((entry) => ({ incident, entry })));
  return steps.sort((a, b) => (millis(b.entry.time) ?? 0) - (millis(a.entry.time) ?? 0)).slice(0, STEPS_MAX);
}

export function Doing(): JSX.Element {
  const steps = () => lately(live.incidents().values());
  const none = () =>
    isIncidentsKnown()
      ? "Nothing had to be done since this page was opened."
      : "Nothing had been done when it was heard last; whether anything was since is not known.";
  return (
    <Panel
      title="Latest steps"
      isLoading={!live.isCaught()}
      error={live.problems().get(Part.INCIDENTS)}
      empty={steps().length === 0 ? none() : undefined}
    >
      <ol class="steps">
        <Keyed each={steps()} by={keyOf}>
          {(step) => (
            <li>
              <span class="muted">
                <Moment time={step().entry.time} /> {step().entry.actor}
              </span>{" "}
              {step().entry.message}{" "}
              <a href={`/${step().incident.name}`} title={step().incident.title}>
                incident {shortId(step().incident.name)}
              </a>
              <Show when={step().incident.planWaitsFor}>
                <span class="waiting"> · waits: {step().incident.planWaitsFor}</span>
              </Show>
            </li>
          )}
        </Keyed>
      </ol>
    </Panel>
  );
}
