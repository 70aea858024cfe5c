// Changes as marks in a chart.

import { type Change, ChangeKindSchema } from "@contracts/telemetry/v1/telemetry_pb";
import { enumName } from "../../lib/names";
import { millis, type Millis } from "../../lib/time";
import type { Mark } from "../../ui/overlays";

/** Words beside a mark are cut after so many characters. */
const LABEL_MAX = 36;

/**
 * Marks of the changes, oldest first. Of those that say the same and are no further apart than can be told, as where a
 * deployment begins and ends, the first stands for all.
 */
export function marksOf(changes: readonly Change[], apartMs: Millis): Mark[] {
  const all = changes.map(markOf).filter((mark) => mark !== undefined).sort((a, b) => a.at - b.at);
  const last = new Map<string, Millis>();
  return all.filter((mark) => {
    const before = last.get(mark.label);
    last.set(mark.label, mark.at);
    return before === undefined || mark.at - before > apartMs;
  });
}

function markOf(change: Change): Mark | undefined {
  const at = millis(change.time);
  const words = [enumName(ChangeKindSchema, change.kind), change.subject, change.after].filter((word) => word !== "").join(" ");
  const label = words.length > LABEL_MAX ? `${words.slice(0, LABEL_MAX - 1)}…` : words;
  return at === undefined ? undefined : { at, label, colour: "--waiting" };
}
