// The latest steps of all incidents. Incidents that ended are not kept for them: each has its whole timeline, and hundreds of
// signals, which a window that is left open would gather.

import type { Incident, TimelineEntry } from "@contracts/incident/v1/incident_pb";
import { millis } from "../lib/time";

/** Steps that are kept, and shown. */
export const STEPS_MAX = 12;

export interface Step {
  /** Of which incident, by name, and what that is called now. */
  incident: string;
  title: string;
  /** What its plan waits for; empty for nothing. */
  waitsFor: string;
  entry: TimelineEntry;
}

/** The latest steps, newest first, once this is how an incident is. */
export function withStepsOf(before: readonly Step[], { name, title, planWaitsFor, timeline }: Incident): readonly Step[] {
  const others = before.filter((step) => step.incident !== name);
  const own = timeline.slice(-STEPS_MAX).map((entry) => ({ incident: name, title, waitsFor: planWaitsFor, entry }));
  const at = (step: Step) => millis(step.entry.time) ?? 0;
  return [...others, ...own].sort((a, b) => at(b) - at(a)).slice(0, STEPS_MAX);
}
