// What the incidents that were loaded amount to.

import { createMemo, For, type JSX } from "solid-js";
import { type Incident, ResolutionReasonSchema, SeveritySchema, StateSchema } from "@contracts/incident/v1/incident_pb";
import { ABSENT, counted, percent } from "../../lib/format";
import { enumName } from "../../lib/names";
import { span } from "../../lib/time";
import { countBy, detectedAfter, diagnosedAfter, isFalseAlarm, recoveredAfter, spread } from "./measures";
import { type Column, Heads } from "../../ui/heads";

const COLUMNS: readonly Column[] = [
  { title: "Time until" },
  { title: "Mean", isNumber: true },
  { title: "Median", isNumber: true },
  { title: "Of", isNumber: true },
  { title: "Left out", isNumber: true },
];

interface StatisticsProps {
  incidents: readonly Incident[];
  /** Whether these are all that match. */
  isWhole: boolean;
}

const severity = (incident: Incident): string => enumName(SeveritySchema, incident.severity).toUpperCase();

function resolution(incident: Incident): string {
  const { resolution, state } = incident;
  return resolution ? enumName(ResolutionReasonSchema, resolution.reason) : `none: ${enumName(StateSchema, state)}`;
}

export function Statistics(props: StatisticsProps): JSX.Element {
  const falseAlarms = () => props.incidents.filter(isFalseAlarm).length;
  const share = () => percent(falseAlarms() / Math.max(1, props.incidents.length));
  const over = () => `Over ${counted(props.incidents.length, "incident")}${props.isWhole ? "" : ", the newest of those that match"}.`;
  return (
    <div class="stack">
      <p>{`${over()} False alarms by the word of a person: ${falseAlarms()} (${share()}).`}</p>
      <div class="figures">
        <Counts title="By severity" counts={countBy(props.incidents, severity)} />
        <Counts title="By resolution" counts={countBy(props.incidents, resolution)} />
      </div>
      <Times incidents={props.incidents} />
    </div>
  );
}

export function Counts(props: { title: string; counts: ReadonlyMap<string, number> }): JSX.Element {
  return (
    <div>
      <h3>{props.title}</h3>
      <dl class="facts">
        <For each={[...props.counts]}>
          {([name, count]) => (
            <>
              <dt>{name}</dt>
              <dd>{count}</dd>
            </>
          )}
        </For>
      </dl>
    </div>
  );
}

const MEASURES: readonly { name: string; of: (incident: Incident) => number | undefined }[] = [
  { name: "Detected", of: detectedAfter },
  { name: "Diagnosed", of: diagnosedAfter },
  { name: "Recovered, as measured", of: recoveredAfter },
];

const spanOr = (length: number | undefined): string => (length === undefined ? ABSENT : span(length));

function Times(props: { incidents: readonly Incident[] }): JSX.Element {
  const rows = createMemo(() => MEASURES.map(({ name, of }) => ({ name, ...spread(props.incidents.map(of)) })));
  return (
    <div class="scrolls" tabindex="0" role="group" aria-label="Times from the onset">
      <table>
        <caption class="muted">
          From the onset until then. Incidents without such a time are left out and counted. Of one that was reopened, all is
          counted from its first onset.
        </caption>
        <Heads columns={COLUMNS} />
        <tbody>
          <For each={rows()}>
            {(row) => (
              <tr>
                <th scope="row">{row.name}</th>
                <td class="number">{spanOr(row.mean)}</td>
                <td class="number">{spanOr(row.median)}</td>
                <td class="number">{row.count}</td>
                <td class="number">{row.absent}</td>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </div>
  );
}
