// What a chart of a recorded signal shows: which time, what happened in it, and whether its newest sample is late.

import type { SignalRecording } from "@contracts/fleet/v1/fleet_pb";
import { type Incident, State } from "@contracts/incident/v1/incident_pb";
import { RecoveryVerdict } from "@contracts/incident/v1/incident_service_pb";
import type { Action } from "@contracts/remediation/v1/remediation_pb";
import { durationMillis, type Millis, millis, span } from "../../lib/time";
import type { Line } from "../../ui/lines";
import type { Band, Mark } from "../../ui/overlays";

/** So many of its usual intervals without a sample are a gap, and are late. */
const GAP_INTERVALS = 3;
const GAP_MIN_MS = 30_000;
/** How much room there is on both sides, as a share of what is between. */
const ROOM = 0.04;
/** What happened later than by this share of what was recorded is left out: it would press the recording together. */
const LATER_MAX = 0.5;

export interface Window {
  from: Millis;
  to: Millis;
}

export function gapMs(recording: SignalRecording): Millis {
  return Math.max(GAP_INTERVALS * (durationMillis(recording.interval) ?? 0), GAP_MIN_MS);
}

export function lineOf(recording: SignalRecording): Line {
  return {
    label: [recording.metric, recording.dimension].filter(Boolean).join(" "),
    points: recording.samples.map((sample) => [millis(sample.time) ?? 0, sample.value] as const),
    gapMs: gapMs(recording),
  };
}

export function bandOf(recording: SignalRecording): Band {
  return { usual: recording.usual, low: recording.usualLow, high: recording.usualHigh };
}

const newestOf = (recording: SignalRecording) => millis(recording.samples.at(-1)?.time);

/**
 * The time that all charts of an incident show, so that they stand one under the other: from the earliest sample, or the
 * onset where that is earlier, to the newest, and what happened shortly after. Nothing where there is no time at all.
 */
export function windowOf(
  recordings: readonly SignalRecording[],
  onset: Millis | undefined,
  marks: readonly Mark[],
  read: Millis | undefined,
): Window | undefined {
  const firsts = [onset, ...recordings.map((recording) => millis(recording.samples[0]?.time))].filter((at) => at !== undefined);
  if (firsts.length === 0) return undefined;
  const from = Math.min(...firsts);
  const newest = Math.max(from, ...recordings.map(newestOf).filter((at) => at !== undefined));
  const latest = newest + Math.max((newest - from) * LATER_MAX, GAP_MIN_MS);
  const after = [...marks.map((mark) => mark.at), read].filter((at) => at !== undefined && at <= latest) as Millis[];
  const to = Math.max(newest, ...after);
  const room = Math.max((to - from) * ROOM, 1_000);
  return { from: from - room, to: to + room };
}

/** What happened to the incident, oldest first. */
export function marksOf(incident: Incident, actions: readonly Action[]): Mark[] {
  const marks: (Mark | undefined)[] = [
    mark(millis(incident.onsetTime), "onset", "--troubled"),
    mark(millis(incident.detectTime), "detected", "--waiting"),
    ...actions.flatMap((action) => [
      mark(millis(action.executeTime), action.spec?.type ?? "action", "--link"),
      mark(recoveredAt(action), "recovered", "--well"),
    ]),
    mark(millis(incident.endTime), incident.state === State.DUPLICATE ? "duplicate" : "resolved", "--well"),
  ];
  return marks.filter((mark) => mark !== undefined).sort((a, b) => a.at - b.at);
}

function mark(at: Millis | undefined, label: string, colour: string): Mark | undefined {
  return at === undefined ? undefined : { at, label, colour };
}

/** Since when nothing was outside of its range any more, of an action after which recovery was measured. */
function recoveredAt(action: Action): Millis | undefined {
  const { recovery } = action;
  if (recovery?.verdict !== RecoveryVerdict.RECOVERED) return undefined;
  return millis(recovery.wellSinceTime) ?? (millis(recovery.measuredTime) || undefined);
}

/** Samples that a recording keeps, as its contract says: the newest. */
const SAMPLES_MAX = 720;

/** In words, that what a chart lacks at its beginning was measured and is not kept; nothing where it lacks nothing. */
export function cutInWords(recording: SignalRecording, window: Window | undefined): string | undefined {
  const first = millis(recording.samples[0]?.time);
  if (recording.samples.length < SAMPLES_MAX || first === undefined || !window || first - window.from <= gapMs(recording)) return undefined;
  return `Earlier samples were let go: the newest ${SAMPLES_MAX} are kept. That the chart is empty before them says nothing.`;
}

/** In words, what is missing of a recording; nothing where it is as new as it should be. */
export function lateInWords(recording: SignalRecording, read: Millis | undefined, isLiving: boolean): string | undefined {
  const newest = newestOf(recording);
  if (newest === undefined || !isLiving || read === undefined) return undefined;
  const late = read - newest;
  if (late <= gapMs(recording)) return undefined;
  const usual = durationMillis(recording.interval);
  const usually = usual ? `; usually one comes every ${span(usual)}` : "";
  return `No sample for ${span(late)} up to what detection has read${usually}. What is missing is not known to be well.`;
}
