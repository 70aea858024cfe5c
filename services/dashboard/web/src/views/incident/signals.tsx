// How the incident's signals moved, as detection recorded them, one under the other over the same time.

import { createMemo, For, type JSX, Show } from "solid-js";
import type { SignalRecording } from "@contracts/fleet/v1/fleet_pb";
import { type Anomaly, type Incident, SignalSchema } from "@contracts/incident/v1/incident_pb";
import { live } from "../../client/live";
import { enumName, serviceName } from "../../lib/names";
import { millis } from "../../lib/time";
import { Chart } from "../../ui/chart";
import { Keyed } from "../../ui/keyed";
import { Moment } from "../../ui/moment";
import type { Mark } from "../../ui/overlays";
import { Panel } from "../../ui/panel";
import { type Column, Heads } from "../../ui/heads";
import { elementOf, isShare, originName, signalValue, unitOf } from "./evidence";
import type { Model } from "./model";
import { onReveal } from "./reveal";
import type { ShownParts } from "./shown";
import { bandOf, cutInWords, lateInWords, lineOf, marksOf, type Window, windowOf } from "./signal-chart";

const NONE = "No signal of this incident was recorded: it was reported by a person, or is older than recordings are.";

const UNRECORDED_COLUMNS: readonly Column[] = [
  { title: "Service" },
  { title: "Signal" },
  { title: "Usual", isNumber: true },
  { title: "Most extreme", isNumber: true },
  { title: "Onset" },
  { title: "Seen last" },
];

interface SignalsProps {
  model: Model;
  incident: Incident;
  shown: ShownParts;
}

export function Signals(props: SignalsProps): JSX.Element {
  const recordings = () => props.model.recordings.value();
  const read = () => (props.model.isLiving() ? millis(live.fleet()?.fleet?.readTime) : undefined);
  const marks = createMemo(() => marksOf(props.incident, props.model.actions.value()));
  const window = createMemo(() => windowOf(recordings(), millis(props.incident.onsetTime), marks(), read()));
  const unrecorded = () => props.incident.anomalies.filter((anomaly) => !props.shown.hasChart(anomaly.id));
  // Without recordings there are still the numbers that the incident has.
  const error = () => props.model.recordings.error();
  const isEmpty = () => recordings().length === 0 && unrecorded().length === 0;
  return (
    <div id="part-signals" tabindex="-1">
      <Panel
        title="Signals"
        isLoading={props.model.recordings.isLoading() && !error()}
        error={error()}
        again={props.model.recordings.again}
        empty={isEmpty() && !error() ? NONE : undefined}
      >
        <Show when={recordings().length === 0 && !isEmpty() && !error()}>
          <p class="muted">No signal was recorded, so there is no chart. What was measured stands below.</p>
        </Show>
        <div class="signals">
          <Keyed each={recordings()} by={(recording) => recording.anomaly}>
            {(recording) => (
              <Recorded
                recording={recording()}
                marks={marks()}
                window={window()}
                late={lateInWords(recording(), read(), props.model.isLiving())}
                cut={cutInWords(recording(), window())}
                shown={props.shown}
              />
            )}
          </Keyed>
        </div>
        <Unrecorded anomalies={unrecorded()} isAll={recordings().length === 0} />
      </Panel>
    </div>
  );
}

interface RecordedProps {
  recording: SignalRecording;
  marks: readonly Mark[];
  window: Window | undefined;
  late: string | undefined;
  cut: string | undefined;
  shown: ShownParts;
}

function Recorded(props: RecordedProps): JSX.Element {
  const line = createMemo(() => lineOf(props.recording));
  const band = createMemo(() => bandOf(props.recording));
  const process = () => originName(props.recording.origin);
  const title = () => `${serviceName(props.recording.service)}: ${line().label}`;
  const cited = () => {
    const open = props.shown.open();
    return open?.fact.case === "anomaly" && open.fact.value.id === props.recording.anomaly ? open : undefined;
  };
  return (
    // No landmark: there is one of each process, and they are alike.
    <div
      role="group"
      id={elementOf.signal(props.recording.anomaly)}
      class="recorded"
      classList={{ cited: cited() !== undefined }}
      data-recording={props.recording.anomaly}
      tabindex="-1"
      aria-label={title()}
    >
      <h3>{title()}</h3>
      <p class="muted">
        {enumName(SignalSchema, props.recording.signal)}
        <Show when={process()}>, of {process()}</Show>; usually {signalValue(props.recording, props.recording.usual)}
        <Range recording={props.recording} />
      </p>
      <Show when={cited()}>
        {(evidence) => (
          <p class="citing">
            <strong>Evidence {evidence().id.slice(0, 10)}</strong>: {evidence().summary}{" "}
            <a href={`#${elementOf.evidence(evidence().id)}`} onClick={(event) => onReveal(elementOf.evidence(evidence().id))(event)}>
              Its numbers
            </a>{" "}
            <a href="#part-diagnosis" onClick={onReveal("part-diagnosis")}>
              Back to the cause
            </a>
          </p>
        )}
      </Show>
      <Show when={props.recording.samples.length > 0 ? props.window : undefined} fallback={<p class="state">no samples</p>}>
        {(window) => (
          <Chart
            label={title()}
            lines={[line()]}
            unit={unitOf(props.recording)}
            isShare={isShare(props.recording)}
            band={band()}
            marks={props.marks}
            from={window().from}
            to={window().to}
            height={160}
          />
        )}
      </Show>
      <Show when={props.cut}>
        <p class="muted">{props.cut}</p>
      </Show>
      <Show when={props.late}>
        <p class="silent" data-late={props.recording.anomaly}>
          {props.late}
        </p>
      </Show>
    </div>
  );
}

/** What is usual, in words beside the band. */
function Range(props: { recording: SignalRecording }): JSX.Element {
  const value = (value: number) => signalValue(props.recording, value);
  const words = () => {
    const { usualLow: low, usualHigh: high } = props.recording;
    if (low !== undefined && high !== undefined) return `, abnormal below ${value(low)} and above ${value(high)}`;
    if (high !== undefined) return `, abnormal above ${value(high)}`;
    return low === undefined ? "" : `, abnormal below ${value(low)}`;
  };
  return <>{words()}</>;
}

/** Anomalies without a chart, as numbers. */
function Unrecorded(props: { anomalies: readonly Anomaly[]; isAll: boolean }): JSX.Element {
  return (
    <Show when={props.anomalies.length}>
      <details open={props.isAll}>
        <summary>{props.anomalies.length === 1 ? "1 signal" : `${props.anomalies.length} signals`} without a chart</summary>
        <div class="wide" tabindex="0" role="group" aria-label="Signals without a chart">
          <table>
            <Heads columns={UNRECORDED_COLUMNS} />
            <tbody>
              <For each={props.anomalies}>
                {(anomaly) => (
                  <tr id={elementOf.signal(anomaly.id)} tabindex="-1">
                    <td>{serviceName(anomaly.service)}</td>
                    <td>{[enumName(SignalSchema, anomaly.signal), anomaly.metric, anomaly.dimension].filter(Boolean).join(" ")}</td>
                    <td class="number">{signalValue(anomaly, anomaly.expected)}</td>
                    <td class="number">{signalValue(anomaly, anomaly.observed)}</td>
                    <td>
                      <Moment time={anomaly.onsetTime} />
                    </td>
                    <td>
                      <Moment time={anomaly.lastSeenTime} />
                    </td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
        </div>
      </details>
    </Show>
  );
}
