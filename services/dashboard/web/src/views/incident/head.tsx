// The incident in one sentence, how it stands, and how it ended.

import { For, type JSX, Show } from "solid-js";
import { type Incident, State } from "@contracts/incident/v1/incident_pb";
import { productNow } from "../../client/clock";
import { live } from "../../client/live";
import { serviceName, shortId } from "../../lib/names";
import { millis, span } from "../../lib/time";
import { SeverityBadge, StateBadge } from "../../ui/badges";
import { Ago, Countdown, Moment } from "../../ui/moment";
import { elementOf } from "./evidence";
import { Fact } from "./form";
import type { Model } from "./model";
import { onReveal } from "./reveal";
import { byWhom, ESCALATION_IN_WORDS, headline, RESOLUTION_IN_WORDS, SEVERITY_IN_WORDS } from "./words";

const PARTS: readonly [string, string][] = [
  ["part-actions", "Repairs"],
  ["part-diagnosis", "Cause"],
  ["part-signals", "Signals"],
  ["part-timeline", "Timeline"],
  ["part-people", "People"],
];

export function Head(props: { model: Model; incident: Incident }): JSX.Element {
  const newestAction = () => {
    const { action } = props.incident;
    const all = props.model.actions.value();
    // One that is not here yet is not the one before it.
    return action ? all.find((one) => one.name === action) : all[0];
  };
  return (
    <header class="incident-head">
      <h1>{headline(props.incident, newestAction(), productNow())}</h1>
      <div class="row">
        <SeverityBadge severity={props.incident.severity} />
        <span class="muted">{SEVERITY_IN_WORDS[props.incident.severity]}</span>
        <StateBadge incident={props.incident} />
        <Lasting incident={props.incident} />
        <Show when={!props.incident.endTime && props.incident.deadlineTime}>
          {(deadline) => (
            <span class="waiting">
              this state is given up in <Countdown until={deadline()} over="no time: it is due" />
            </span>
          )}
        </Show>
        <Show when={props.incident.state === State.AWAITING_APPROVAL && newestAction()}>
          {(action) => (
            <a href={`#${elementOf.action(action().name)}`} onClick={(event) => onReveal(elementOf.action(action().name))(event)}>
              Decide
            </a>
          )}
        </Show>
      </div>
      <Show when={props.incident.endTime}>
        <Ended incident={props.incident} />
      </Show>
      <Maintained incident={props.incident} />
      <Facts incident={props.incident} />
      <Show when={props.model.incident.error()}>
        <p class="notice lost">
          What changes of this incident cannot be had: {props.model.incident.error()}
        </p>
      </Show>
      <nav aria-label="Parts of this page">
        <ul class="row parts">
          <For each={PARTS}>
            {([id, label]) => (
              <li>
                <a href={`#${id}`} onClick={onReveal(id)}>
                  {label}
                </a>
              </li>
            )}
          </For>
        </ul>
      </nav>
    </header>
  );
}

function Lasting(props: { incident: Incident }): JSX.Element {
  const length = () => {
    const onset = millis(props.incident.onsetTime);
    return onset === undefined ? undefined : (millis(props.incident.endTime) ?? productNow()) - onset;
  };
  return (
    <Show when={length()}>
      {(length) => (
        <span>
          {props.incident.endTime ? "lasted" : "for"} {span(length())}
        </span>
      )}
    </Show>
  );
}

/** How it ended, and by whom. */
function Ended(props: { incident: Incident }): JSX.Element {
  return (
    <p class="notice well" data-ended={State[props.incident.state]}>
      <strong>Ended</strong> at <Moment time={props.incident.endTime} /> (<Ago time={props.incident.endTime} />)
      <Show when={props.incident.resolution}>
        {(resolution) => (
          <>
            : {RESOLUTION_IN_WORDS[resolution().reason]}, by {byWhom(resolution().actor)}
            <Show when={resolution().note}>: “{resolution().note}”</Show>
          </>
        )}
      </Show>
      <Show when={props.incident.duplicateOf}>
        {(other) => (
          <>
            : it was an effect of <a href={`/${other()}`}>incident {shortId(other())}</a>
          </>
        )}
      </Show>
    </p>
  );
}

/** What keeps people from being told, or did. */
function Maintained(props: { incident: Incident }): JSX.Element {
  const stands = () => {
    const { maintenance, endTime } = props.incident;
    return maintenance && !maintenance.overTime && !endTime ? maintenance : undefined;
  };
  const note = () => live.holds()?.windows.find((window) => window.name === stands()?.window)?.note;
  return (
    <Show when={stands()}>
      {(maintenance) => (
        <p class="notice waiting">
          <strong>In maintenance</strong> until <Moment time={maintenance().endTime} />: people are not told, and nothing is
          repaired on its account. {maintenance().withheld} notices were withheld.
          <Show when={note()}> “{note()}”</Show>
        </p>
      )}
    </Show>
  );
}

function Facts(props: { incident: Incident }): JSX.Element {
  const impacts = () => props.incident.impacts.map((impact) => serviceName(impact.service)).join(", ");
  return (
    <details class="all-facts">
      <summary>
        Incident <code>{shortId(props.incident.name)}</code>
      </summary>
      <dl class="facts">
        <Fact name="Incident">
          <code>{props.incident.name}</code>
        </Fact>
        <Fact name="Service">{serviceName(props.incident.service)}</Fact>
        <Fact name="Suffer too">{impacts() || "none"}</Fact>
        <Fact name="Onset">
          <Moment time={props.incident.onsetTime} />
        </Fact>
        <Fact name="Detected">
          <Moment time={props.incident.detectTime} />
        </Fact>
        <Fact name="Opened again" when={props.incident.reopenTime}>
          <Moment time={props.incident.reopenTime} />
        </Fact>
        <Fact name="Escalated" when={props.incident.escalationReason}>
          {ESCALATION_IN_WORDS[props.incident.escalationReason]}
        </Fact>
        <Fact name="Repairs tried">{props.incident.attempts}</Fact>
        <Fact name="Fingerprint">
          <code>{props.incident.fingerprint}</code>
        </Fact>
        <Fact name="With it before">{props.incident.ordinal}</Fact>
      </dl>
    </details>
  );
}
