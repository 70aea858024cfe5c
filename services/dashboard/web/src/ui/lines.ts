// Points of several series as columns of one table, and in words.

import { clock, type Millis } from "../lib/time";
import type { Band } from "./overlays";

export interface Line {
  label: string;
  /** Time and value, oldest first. */
  points: readonly (readonly [Millis, number])[];
  /** What is further apart than this is a gap. */
  gapMs: number;
  /** Lengths of dashes and what is between them; a full line where absent. */
  dash?: readonly number[];
}

type Column = (number | null)[];

/**
 * Columns of times in seconds and a column of values a line. A line has nothing at a time that is another's only, and is
 * drawn across it all the same (`undefined`); within a gap it has `null`, over which nothing is drawn.
 */
export function align(lines: readonly Line[]): [number[], ...Column[]] {
  const times = new Set<number>();
  const columns = lines.map((line) => {
    const values = new Map<number, number | null>();
    let before: Millis | undefined;
    for (const [time, value] of line.points) {
      if (before !== undefined && time - before > line.gapMs) values.set((before + 1) / 1000, null);
      values.set(time / 1000, value);
      before = time;
    }
    for (const time of values.keys()) times.add(time);
    return values;
  });
  const sorted = [...times].sort((a, b) => a - b);
  // uPlot draws across `undefined` and not across `null`.
  return [sorted, ...columns.map((column) => sorted.map((time) => column.get(time) as number | null))];
}

/** What a line amounts to, in a sentence. */
export function summary(lines: readonly Line[], format: (value: number) => string, band?: Band): string {
  const said = lines.map((line) => {
    const last = line.points.at(-1);
    if (!last) return `${line.label}: no data`;
    const most = line.points.reduce((most, point) => (point[1] > most[1] ? point : most));
    return `${line.label}: ${format(last[1])} at ${clock(last[0])}, at most ${format(most[1])} at ${clock(most[0])}`;
  });
  if (band) said.push(`usually ${format(band.usual)}`);
  return said.length ? `${said.join("; ")}.` : "No data.";
}
