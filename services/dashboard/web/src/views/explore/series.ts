// Series of the contract as lines of a chart: which of them, under which names, and where nothing was measured.

import type { Point, Series } from "@contracts/telemetry/v1/telemetry_pb";
import { millis, type Millis } from "../../lib/time";
import type { Line } from "../../ui/lines";
import type { View } from "./choices";

/** Lines that one chart bears. */
export const LINES_MAX = 12;
/** Colours come again after so many; lines beyond are told apart by dots, too. */
const COLOURS = 6;
/** So many usual spacings without a point are a gap. */
const GAP_SPACINGS = 3;

/** What a metric's points are. */
export type Kind = "distribution" | "counter" | "plain";

/** Names that conventions give to what is counted, or summed up, since a process began. */
const COUNTED =
  /[._](?:total|count|sum|hits|misses|errors|failures|evictions|restarts|time|io|packets|dropped|sent|received|commands)$/;
/** Fewer points rise by chance. */
export const COUNTED_POINTS_MIN = 4;

/** What the points say of their metric; nothing where there are none. The contract does not tell counters from gauges. */
export function kindOf(metric: string, series: readonly Pick<Series, "points">[]): Kind | undefined {
  const measured = series.filter((one) => one.points.length > 0);
  if (measured.length === 0) return undefined;
  if (measured.some((one) => one.points.some((point) => point.count > 0n))) return "distribution";
  return COUNTED.test(metric) && measured.every((one) => hasOnlyRisen(one.points)) ? "counter" : "plain";
}

/** Whether the values only rose, but for restarts, after which a counter begins near zero. */
function hasOnlyRisen(points: readonly Point[]): boolean {
  if (points.length < COUNTED_POINTS_MIN) return false;
  return points.every((point, index) => {
    const before = points[index - 1]?.value ?? 0;
    return point.value >= 0 && (point.value >= before || point.value < before * 0.1);
  });
}

/** How a kind of metric is read best. */
export function viewOf(kind: Kind | undefined): View {
  return kind === "distribution" ? "mean" : kind === "counter" ? "rate" : "value";
}

/** The unit of what a view shows: of a rate, what it counts in a second. What stands in braces only says what is counted. */
export function unitOf(unit: string, view: View, kind: Kind | undefined): string {
  if (view !== "rate") return unit;
  return kind === "distribution" || unit === "" || unit === "1" || unit.startsWith("{") ? "/s" : `${unit}/s`;
}

/** What is further apart than this is a gap: several times the median spacing, and no less than a pixel or two. */
export function gapOf(times: readonly Millis[], leastMs: Millis): Millis {
  const spacings = times.slice(1).map((time, index) => time - (times[index] ?? time)).sort((a, b) => a - b);
  const median = spacings[Math.floor(spacings.length / 2)];
  return median === undefined ? Number.POSITIVE_INFINITY : Math.max(GAP_SPACINGS * median, leastMs);
}

/** What sets each series apart from the others: its process and attributes, without what all of them share. */
export function labelsOf(series: readonly Pick<Series, "origin" | "attributes">[]): string[] {
  const facts = series.map((one) => {
    const named: [string, string][] = Object.entries(one.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map([["instance", one.origin?.instance ?? ""], ["version", one.origin?.version ?? ""], ...named]);
  });
  const keys = [...new Set(facts.flatMap((fact) => [...fact.keys()]))];
  const apart = keys.filter((key) => new Set(facts.map((fact) => fact.get(key) ?? "")).size > 1);
  // The instance says by itself what it is; a version beside it says nothing more.
  const told = apart.filter((key) => key !== "version" || !apart.includes("instance"));
  const labels = facts.map((fact) => {
    const said = told.filter((key) => fact.get(key)).map((key) => (key === "instance" ? "" : `${key}=`) + fact.get(key));
    return said.join(" ") || (series.length > 1 ? "without attributes" : "");
  });
  return unique(labels);
}

/** Names that are the same get a number. */
function unique(labels: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return labels.map((label) => {
    const times = (seen.get(label) ?? 0) + 1;
    seen.set(label, times);
    return times > 1 ? `${label} (${times})` : label;
  });
}

export interface Drawn {
  lines: Line[];
  /** Series with points that are not drawn. */
  leftOut: number;
}

interface Drawing {
  /** Stands before each name, as in the name of another service. */
  prefix: string;
  /** The name of a line that nothing sets apart. */
  alone: string;
  /** So much later they are drawn than they were measured. */
  shiftMs: Millis;
  max: number;
  gapLeastMs: Millis;
  /** How all of the lines are dashed; absent where only those are that would have another's colour. */
  dash?: readonly number[] | undefined;
}

/** Lines of those series that reach highest, in the order of their names so that colours stay theirs. */
export function draw(series: readonly Series[], how: Drawing): Drawn {
  const measured = series.filter((one) => one.points.length > 0);
  const labels = labelsOf(measured);
  const all = measured.map((one, index) => ({ label: labels[index] ?? "", points: pointsOf(one, how.shiftMs) }));
  const peak = (points: [Millis, number][]) => points.reduce((most, [, value]) => Math.max(most, value), -Infinity);
  const highest = all.sort((a, b) => peak(b.points) - peak(a.points)).slice(0, how.max);
  const kept = highest.sort((a, b) => (a.label < b.label ? -1 : 1));
  const lines = kept.map((one, index): Line => {
    const dash = how.dash ?? (index >= COLOURS ? [2, 3] : undefined);
    return {
      label: [how.prefix, one.label].filter((text) => text !== "").join(" · ") || how.alone,
      points: one.points,
      gapMs: gapOf(one.points.map(([time]) => time), how.gapLeastMs),
      ...(dash ? { dash } : {}),
    };
  });
  return { lines, leftOut: all.length - lines.length };
}

/** Times and values; what is no finite number was not measured. */
function pointsOf(series: Series, shiftMs: Millis): [Millis, number][] {
  return series.points.flatMap((point): [Millis, number][] => {
    const at = millis(point.time);
    return at === undefined || !Number.isFinite(point.value) ? [] : [[at + shiftMs, point.value]];
  });
}

/** The unit that the series give, the first that is not empty. */
export function unitOfSeries(series: readonly Pick<Series, "unit">[]): string {
  return series.find((one) => one.unit !== "")?.unit ?? "";
}
