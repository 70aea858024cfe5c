// What incidents amount to together: how many of which kind, how many false alarms, and how long things took.

import {
  type Incident,
  JudgementKind,
  ResolutionReason,
  State,
} from "@contracts/incident/v1/incident_pb";
import { millis, type Millis } from "../../lib/time";

/** The detector's words in the timeline where a diagnosis is there. */
const DIAGNOSED = "diagnosis finished";

const since = (onset: Millis | undefined, then: Millis | undefined): Millis | undefined =>
  // Clocks that differ can put an end before its beginning; such a span says nothing.
  onset === undefined || then === undefined || then < onset ? undefined : then - onset;

/** From the onset until detection was sure. */
export function detectedAfter(incident: Incident): Millis | undefined {
  return since(millis(incident.onsetTime), millis(incident.detectTime));
}

/** From the onset until the first diagnosis was there; absent where there is none, or the timeline has lost it. */
export function diagnosedAfter(incident: Incident): Millis | undefined {
  const first = incident.timeline.find(
    (entry) => entry.resource.includes("/diagnoses/") && entry.message.startsWith(DIAGNOSED),
  );
  return since(millis(incident.onsetTime), millis(first?.time));
}

/** From the onset until recovery was measured; absent where it was not, whoever resolved the incident. */
export function recoveredAfter(incident: Incident): Millis | undefined {
  const reason = incident.resolution?.reason;
  const isMeasured = reason === ResolutionReason.MEASURED || reason === ResolutionReason.SELF_RECOVERED;
  if (incident.state !== State.RESOLVED || !isMeasured) return undefined;
  return since(millis(incident.onsetTime), millis(incident.endTime));
}

/** Whether a person said that there was nothing. A later verdict takes back what an earlier resolution said. */
export function isFalseAlarm(incident: Incident): boolean {
  const { judgement, resolution } = incident;
  if (judgement) return judgement.kind === JudgementKind.FALSE_ALARM;
  return resolution?.reason === ResolutionReason.FALSE_POSITIVE;
}

export interface Spread {
  /** Absent where there is no value. */
  mean: number | undefined;
  median: number | undefined;
  /** How many values there are. */
  count: number;
  /** How many of those asked have none. */
  absent: number;
}

/** What the values amount to that are there; the others are counted and not taken for zero. */
export function spread(values: readonly (number | undefined)[]): Spread {
  const there = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const absent = values.length - there.length;
  if (there.length === 0) return { mean: undefined, median: undefined, count: 0, absent };
  const mean = there.reduce((sum, value) => sum + value, 0) / there.length;
  const half = Math.floor(there.length / 2);
  const [below, above] = [there[there.length % 2 ? half : half - 1] ?? 0, there[half] ?? 0];
  return { mean, median: (below + above) / 2, count: there.length, absent };
}

/** How many there are of each, in the order of `key` where it is a number, the least first. */
export function countBy<T, K>(all: readonly T[], key: (one: T) => K): Map<K, number> {
  const counts = new Map<K, number>();
  for (const one of all) counts.set(key(one), (counts.get(key(one)) ?? 0) + 1);
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
