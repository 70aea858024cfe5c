// Whether an incident's signals are back in their ranges, as it was measured last.

import { type JSX, Show } from "solid-js";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import { type CheckRecoveryResponse, RecoveryVerdict, RecoveryVerdictSchema, type SignalRecovery } from "@contracts/incident/v1/incident_service_pb";
import type { SignalRecording } from "@contracts/fleet/v1/fleet_pb";
import { ABSENT, number } from "../../lib/format";
import { enumName, serviceName } from "../../lib/names";
import { millis } from "../../lib/time";
import { Keyed } from "../../ui/keyed";
import { Moment } from "../../ui/moment";
import { type Column, Heads } from "../../ui/heads";
import { elementOf, signalValue } from "./evidence";
import { onReveal } from "./reveal";
import type { ShownParts } from "./shown";

const CLASS_OF_VERDICT: Record<RecoveryVerdict, string> = {
  [RecoveryVerdict.UNSPECIFIED]: "unknown",
  [RecoveryVerdict.RECOVERED]: "well",
  [RecoveryVerdict.NOT_RECOVERED]: "troubled",
  [RecoveryVerdict.INCONCLUSIVE]: "unknown",
};

const COLUMNS: readonly Column[] = [
  { title: "Signal" },
  { title: "Now", isNumber: true },
  { title: "Usual", isNumber: true },
  { title: "Samples", isNumber: true },
  { title: "Verdict" },
];

interface RecoveryProps {
  recovery: CheckRecoveryResponse;
  incident: Incident;
  shown: ShownParts;
  /** Whether it is being measured still. */
  isLive: boolean;
}

export function Recovery(props: RecoveryProps): JSX.Element {
  // Of what was never measured the time is the epoch.
  const measured = () => (millis(props.recovery.measuredTime) ? props.recovery.measuredTime : undefined);
  return (
    <section class="recovery" aria-label="Recovery" data-recovery={RecoveryVerdict[props.recovery.verdict]}>
      <p>
        <Verdict of={props.recovery.verdict} /> {props.recovery.reason}{" "}
        <span class="muted">
          {props.isLive ? "Recovery is being measured" : "Measured last"}
          <Show when={measured()}>
            , by samples up to <Moment time={measured()} />
          </Show>
          .
        </span>
      </p>
      <Show when={props.recovery.signals.length}>
        <div class="wide" tabindex="0" role="group" aria-label="Recovery of each signal">
          <table>
            <Heads columns={COLUMNS} />
            <tbody>
              <Keyed each={props.recovery.signals} by={(row) => row.anomaly}>
                {(row) => <Row row={row()} incident={props.incident} shown={props.shown} />}
              </Keyed>
            </tbody>
          </table>
        </div>
      </Show>
    </section>
  );
}

function Verdict(props: { of: RecoveryVerdict }): JSX.Element {
  return <span class={`badge ${CLASS_OF_VERDICT[props.of]}`}>{enumName(RecoveryVerdictSchema, props.of)}</span>;
}

function Row(props: { row: SignalRecovery; incident: Incident; shown: ShownParts }): JSX.Element {
  const signal = () =>
    props.incident.anomalies.find((anomaly) => anomaly.id === props.row.anomaly) ?? props.shown.recording(props.row.anomaly);
  const value = (value: number) => {
    const known = signal();
    return known ? signalValue(known, value) : number(value);
  };
  const element = () => elementOf.signal(props.row.anomaly);
  return (
    <tr data-recovery-signal={props.row.anomaly}>
      <td>
        <a href={`#${element()}`} onClick={(event) => onReveal(element())(event)}>
          {signalName(signal()) || props.row.anomaly}
        </a>
      </td>
      {/* Where nothing was measured, the value is no measurement. */}
      <td class="number">{props.row.samples > 0 ? value(props.row.value) : ABSENT}</td>
      <td class="number">{value(props.row.expected)}</td>
      <td class="number">{props.row.samples}</td>
      <td>
        <Verdict of={props.row.verdict} />
      </td>
    </tr>
  );
}

function signalName(signal: Pick<SignalRecording, "service" | "metric" | "dimension"> | undefined): string {
  return signal ? [serviceName(signal.service), signal.metric, signal.dimension].filter(Boolean).join(" ") : "";
}
