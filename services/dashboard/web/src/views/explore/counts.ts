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
  const bars = emptyBars(window.from, (window.to - window.from) / parts, parts, kinds.length);
  for (const line of lines) add(bars, at(line), kinds.findIndex((is) => is(line)), 1);
  return bars.map(({ from, to, counts }) => ({ from, to, counts }));
}

interface Filling extends Bar {
  counts: number[];
}

const emptyBars = (from: Millis, length: Millis, parts: number, kinds: number): Filling[] =>
  Array.from({ length: parts }, (_, part) => ({
    from: from + part * length,
    to: from + (part + 1) * length,
    counts: Array.from({ length: kinds }, () => 0),
  }));

/** Counts so many of a kind at a time; what is in no part is left out. */
function add(bars: Filling[], time: Millis | undefined, kind: number, count: number): void {
  const first = bars[0];
  if (time === undefined || !first || kind < 0) return;
  const counts = bars[Math.floor((time - first.from) / (first.to - first.from))]?.counts;
  if (counts) counts[kind] = (counts[kind] ?? 0) + count;
}

/**
 * A time that moves on, widened to whole parts, so that parts stay where they are while it does: the last is not over then,
 * and the first may begin a little earlier. There are about so many, whole seconds long.
 */
export function wholeParts(window: Window, most: number): Window & { parts: number } {
  // Its length in whole seconds, of which the window has a fraction more.
  const seconds = Math.floor(window.to / 1_000) - Math.ceil(window.from / 1_000);
  const length = Math.max(1, Math.ceil(seconds / most)) * 1_000;
  const from = Math.floor(window.from / length) * length;
  const to = Math.ceil(window.to / length) * length;
  return { from, to, parts: (to - from) / length };
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
  const bars = emptyBars(from, length, parts, kinds.length);
  for (const one of counted) add(bars, one.from, kinds.findIndex((is) => is(one.of)), one.count);
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
