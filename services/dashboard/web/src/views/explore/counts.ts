// How many log lines fall into which part of the time: of those that were fetched, or as the server counted all.

import type { Millis } from "../../lib/time";
import type { Window } from "./range";

export interface Bar {
  from: Millis;
  to: Millis;
  /** Lines of each kind, in the order of the kinds. */
  counts: readonly number[];
}

/** The time in equal parts, with the lines of each kind counted; those outside of it are left out. */
export function barsOf<T>(
  lines: readonly T[],
  at: (line: T) => Millis | undefined,
  kinds: readonly ((line: T) => boolean)[],
  window: Window,
  parts: number,
): Bar[] {
  const length = (window.to - window.from) / parts;
  const counts = Array.from({ length: parts }, () => kinds.map(() => 0));
  for (const line of lines) {
    const time = at(line);
    const counted = time === undefined ? undefined : counts[Math.floor((time - window.from) / length)];
    const kind = kinds.findIndex((is) => is(line));
    if (counted && kind >= 0) counted[kind] = (counted[kind] ?? 0) + 1;
  }
  return counts.map((counts, index) => ({ from: window.from + index * length, to: window.from + (index + 1) * length, counts }));
}

/** What the server counted in parts of the time, the first of which begins at `from`; parts without a line are there too. */
export function barsOfCounts<T>(
  counted: readonly { from: Millis; of: T; count: number }[],
  kinds: readonly ((of: T) => boolean)[],
  window: Window,
  length: Millis,
): Bar[] {
  const from = Math.floor(window.from / 1_000) * 1_000;
  const parts = length > 0 ? Math.max(1, Math.ceil((window.to - from) / length)) : 0;
  const bars = Array.from({ length: parts }, (_, part) => ({
    from: from + part * length,
    to: from + (part + 1) * length,
    counts: kinds.map(() => 0),
  }));
  for (const { from: start, of, count } of counted) {
    const counts = bars[Math.round((start - from) / length)]?.counts;
    const kind = kinds.findIndex((is) => is(of));
    if (counts && kind >= 0) counts[kind] = (counts[kind] ?? 0) + count;
  }
  return bars;
}

export const total = (bar: Bar): number => bar.counts.reduce((sum, count) => sum + count, 0);

/**
 * The new list with lines that were known before in place of the same ones, so that a line that a reader has opened stays
 * open. Lines that say the same twice are told apart by which time they say it.
 */
export function reuse<T>(before: readonly T[], after: readonly T[], key: (line: T) => string): T[] {
  const known = new Map(numbered(before, key));
  return numbered(after, key).map(([key, line]) => known.get(key) ?? line);
}

/** From the oldest on, since new lines come before all others. */
function numbered<T>(lines: readonly T[], key: (line: T) => string): [string, T][] {
  const seen = new Map<string, number>();
  const keyed = [...lines].reverse().map((line): [string, T] => {
    const said = key(line);
    const times = seen.get(said) ?? 0;
    seen.set(said, times + 1);
    return [`${times} ${said}`, line];
  });
  return keyed.reverse();
}
