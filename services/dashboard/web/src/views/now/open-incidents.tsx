// Incidents that live, the worst first.

import { type JSX, Show } from "solid-js";
import { hasEnded, isKnown, live } from "../../client/live";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import { type Incident, State } from "@contracts/incident/v1/incident_pb";
import { serviceName } from "../../lib/names";
import { millis } from "../../lib/time";
import { SeverityBadge, StateBadge } from "../../ui/badges";
import { Keyed } from "../../ui/keyed";
import { Ago, Countdown } from "../../ui/moment";
import { Panel } from "../../ui/panel";

/** Those that live, the worst first, and of one severity those that wait for people, then the oldest. */
export function byUrgency(incidents: Iterable<Incident>): Incident[] {
  const waits = (incident: Incident) => (incident.state === State.AWAITING_APPROVAL || incident.state === State.ESCALATED ? 0 : 1);
  const since = (incident: Incident) => millis(incident.onsetTime) ?? 0;
  return [...incidents]
    .filter((incident) => !hasEnded(incident))
    .sort((a, b) => a.severity - b.severity || waits(a) - waits(b) || since(a) - since(b));
}

export function OpenIncidents(): JSX.Element {
  const open = () => byUrgency(live.incidents().values());
  const problem = () => live.problems().get(Part.INCIDENTS);
  const none = () => (isKnown(Part.INCIDENTS) ? "No incident is open." : "None was open when it was heard last; whether one is now is not known.");
  return (
    <Panel
      title="Open incidents"
      aside={<span class="muted">{live.isCaught() ? open().length : ""}</span>}
      isLoading={!live.isCaught() && open().length === 0}
      error={problem()}
      empty={open().length === 0 ? none() : undefined}
    >
      <ol class="incidents">
        <Keyed each={open()} by={(incident) => incident.name}>
          {(incident) => <Row incident={incident()} />}
        </Keyed>
      </ol>
    </Panel>
  );
}

function Row(props: { incident: Incident }): JSX.Element {
  return (
    <li class="incident" data-incident={props.incident.name}>
      <div class="row">
        <SeverityBadge severity={props.incident.severity} />
        <StateBadge incident={props.incident} />
        <a href={`/${props.incident.name}`}>{props.incident.title}</a>
      </div>
      <div class="row muted">
        <span>{serviceName(props.incident.service)}</span>
        <span>
          since <Ago time={props.incident.onsetTime} />
        </span>
        <Show when={props.incident.impacts.length}>
          <span>{props.incident.impacts.length} more suffer</span>
        </Show>
        <Show when={props.incident.state === State.AWAITING_APPROVAL && props.incident.deadlineTime}>
          <strong class="waiting">
            waits for approval, for <Countdown until={props.incident.deadlineTime} over="no longer" /> more
          </strong>
        </Show>
        <Show when={props.incident.planWaitsFor}>
          <span class="waiting">waits: {props.incident.planWaitsFor}</span>
        </Show>
        <Show when={props.incident.acknowledgement}>{(taken) => <span>taken by {taken().actor}</span>}</Show>
      </div>
    </li>
  );
}
