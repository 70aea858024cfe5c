// Incidents as rows.

import { For, type JSX, Show } from "solid-js";
import { type Incident, JudgementKindSchema, ResolutionReasonSchema } from "@contracts/incident/v1/incident_pb";
import { ABSENT } from "../../lib/format";
import { enumName, serviceName } from "../../lib/names";
import { query, setQuery } from "../../lib/route";
import { type Millis, span } from "../../lib/time";
import { SeverityBadge, StateBadge } from "../../ui/badges";
import { Moment } from "../../ui/moment";
import { detectedAfter, diagnosedAfter, recoveredAfter } from "./measures";

const COLUMNS: readonly { name: string; isNumber?: boolean }[] = [
  { name: "Severity" },
  { name: "State" },
  { name: "Title" },
  { name: "Service" },
  { name: "Onset" },
  { name: "Detected after", isNumber: true },
  { name: "Diagnosed after", isNumber: true },
  { name: "Recovered after", isNumber: true },
  { name: "Resolution" },
];

export function Table(props: { incidents: readonly Incident[] }): JSX.Element {
  return (
    <div class="scrolls" tabindex="0" role="group" aria-label="Incidents">
      <table>
        <caption class="spoken">Incidents, newest first. Times are counted from the onset.</caption>
        <thead>
          <tr>
            <For each={COLUMNS}>
              {(column) => (
                <th scope="col" class={column.isNumber ? "number" : ""}>
                  {column.name}
                </th>
              )}
            </For>
          </tr>
        </thead>
        <tbody>
          <For each={props.incidents}>{(incident) => <Row incident={incident} />}</For>
        </tbody>
      </table>
    </div>
  );
}

const spanOr = (length: Millis | undefined): string => (length === undefined ? ABSENT : span(length));

function Row(props: { incident: Incident }): JSX.Element {
  const incident = () => props.incident;
  return (
    <tr data-incident={incident().name}>
      <td>
        <SeverityBadge severity={incident().severity} />
      </td>
      <td>
        <StateBadge incident={incident()} />
      </td>
      <td class="long">
        <a href={`/${incident().name}`}>{incident().title}</a>
        <Show when={incident().ordinal > 0}>
          {" "}
          <Show when={query("fingerprint") !== incident().fingerprint} fallback={<span class="muted">again</span>}>
            <button
              type="button"
              class="plain"
              aria-label={`${incident().ordinal} before, with the same fingerprint as ${incident().title}`}
              onClick={() => setQuery({ fingerprint: incident().fingerprint }, true)}
            >
              {`${incident().ordinal} before`}
            </button>
          </Show>
        </Show>
        <Show when={incident().reopenTime}>
          <span class="muted"> reopened</span>
        </Show>
      </td>
      <td>{serviceName(incident().service)}</td>
      <td>
        <Moment time={incident().onsetTime} />
      </td>
      <td class="number">{spanOr(detectedAfter(incident()))}</td>
      <td class="number">{spanOr(diagnosedAfter(incident()))}</td>
      <td class="number">{spanOr(recoveredAfter(incident()))}</td>
      <td class="long">
        <Resolved incident={incident()} />
      </td>
    </tr>
  );
}

/** How it ended, by whose word, and what a person said that it was. */
function Resolved(props: { incident: Incident }): JSX.Element {
  return (
    <>
      <Show when={props.incident.resolution} fallback={props.incident.duplicateOf ? "duplicate of " : ABSENT}>
        {(resolution) => `${enumName(ResolutionReasonSchema, resolution().reason)}, by ${resolution().actor}`}
      </Show>
      <Show when={props.incident.duplicateOf}>
        <a href={`/${props.incident.duplicateOf}`}>another</a>
      </Show>
      <Show when={props.incident.judgement}>
        {(judgement) => <span class="muted">{`; verdict: ${enumName(JudgementKindSchema, judgement().kind)}`}</span>}
      </Show>
    </>
  );
}
