// What is asked for one chart: the series of a metric, and those that it is compared with.

import type { QuerySeriesResponse } from "@contracts/telemetry/v1/telemetry_service_pb";
import { SeriesView } from "@contracts/telemetry/v1/telemetry_service_pb";
import { telemetry } from "../../client/api";
import { parseService } from "../../lib/names";
import type { Millis } from "../../lib/time";
import type { Line } from "../../ui/lines";
import { type View, WIRE_OF_VIEW } from "./choices";
import { lengthOf, type Range, type Window } from "./range";
import { windowNow } from "./scope";
import { COUNTED_POINTS_MIN, draw, type Kind, kindOf, LINES_MAX, unitOf, unitOfSeries, viewOf } from "./series";
import { wireRange } from "./services";

export interface MetricQuestion {
  range: Range;
  service: string;
  metric: string;
  /** What the reader chose; absent where the page chooses. */
  view: View | undefined;
  /** Another service to compare with; empty for none. */
  other: string;
  /** How much earlier to compare with, as in `1h`; empty for nothing. */
  earlier: string;
  /** Points that a series may have. */
  points: number;
}

export interface MetricAnswer extends Window {
  view: View;
  unit: string;
  lines: Line[];
  /** What is not shown, and how what is shown was come by. */
  words: string[];
}

/** Of what is compared, so that it is told from what is looked at, and one from the other. */
const DASHES: readonly (readonly number[] | undefined)[] = [undefined, [8, 5], [3, 3, 10, 3]];
/** Series asked for at a time. More than are drawn, so that those that reach highest can be told. */
const SERIES_MAX = 60;
/** What is kept of metrics' kinds, so that each is found out once and not with every refresh. */
const KINDS_MAX = 500;
/** Points of a series that tell what it is. */
const PROBE_POINTS = 8;
/** Series that may have come since they were counted, such as those of a process that was replaced. */
const NEW_SERIES = 4;

interface Known {
  kind: Kind | undefined;
  series: number;
}

const kinds = new Map<string, Known>();

interface Source {
  prefix: string;
  service: string;
  shiftMs: Millis;
}

export async function answerMetric(question: MetricQuestion, signal: AbortSignal): Promise<MetricAnswer> {
  const window = windowNow(question.range);
  const shiftMs = lengthOf(question.earlier) ?? 0;
  const { service, other, earlier } = question;
  const sources: Source[] = [{ prefix: other ? service : shiftMs ? "now" : "", service, shiftMs: 0 }];
  if (other) sources.push({ prefix: other, service: other, shiftMs: 0 });
  if (shiftMs) sources.push({ prefix: `${earlier} earlier`, service, shiftMs });
  const query = (source: Source, view: SeriesView, points: number, pageSize: number) => {
    const range = wireRange({ from: window.from - source.shiftMs, to: window.to - source.shiftMs });
    const { metric } = question;
    const service = parseService(source.service);
    return telemetry.querySeries({ service, metric, range, pageSize, maxPoints: points, view }, { signal });
  };
  // As they were sent, since a view says nothing of how many values a point stands for.
  const probe = (source: Source) => query(source, SeriesView.UNSPECIFIED, PROBE_POINTS, SERIES_MAX);
  const known = await Promise.all(sources.map((source) => find(keyOf(source, question), question.metric, () => probe(source))));
  const kind = known[0]?.kind;
  const view = question.view ?? viewOf(kind);
  const answers = sources.map(async (source, index) => {
    // The more series may come, the fewer points the server reads of each.
    const pageSize = Math.min((known[index]?.series ?? 0) + NEW_SERIES, SERIES_MAX);
    const answer = await query(source, WIRE_OF_VIEW[view], question.points, pageSize);
    // There may be more series by now: they are counted again with the next refresh.
    if (answer.truncated && answer.series.length >= pageSize) kinds.delete(keyOf(source, question));
    return answer;
  });
  return compose(question, window, view, kind, sources, await Promise.all(answers));
}

/** Earlier there may have been other processes, and so other series. */
const keyOf = (source: Source, { metric, earlier }: MetricQuestion): string =>
  [source.service, metric, source.shiftMs ? earlier : ""].join("\n");

/** What the metric is, by a few of its points, and how many series it has. */
async function find(key: string, metric: string, probe: () => Promise<QuerySeriesResponse>): Promise<Known> {
  const known = kinds.get(key);
  if (known) return known;
  const { series } = await probe();
  const found = { kind: kindOf(metric, series), series: series.length };
  // Few points do not tell a counter from a gauge: such a metric is looked at again.
  const isTold = found.kind !== undefined && (found.kind !== "plain" || series.some((one) => one.points.length >= COUNTED_POINTS_MIN));
  if (isTold && kinds.size >= KINDS_MAX) kinds.clear();
  if (isTold) kinds.set(key, found);
  return found;
}

function compose(
  question: MetricQuestion,
  window: Window,
  view: View,
  kind: Kind | undefined,
  sources: readonly Source[],
  found: readonly QuerySeriesResponse[],
): MetricAnswer {
  // Points that were put together lie up to a part of the range apart, of which each has at most four.
  const partMs = (4 * (window.to - window.from)) / question.points;
  const units = found.map((one) => unitOfSeries(one.series));
  const drawn = found.map((one, index) => {
    const source = sources[index] as Source;
    return draw(one.series, {
      prefix: source.prefix,
      alone: question.metric,
      shiftMs: source.shiftMs,
      max: Math.floor(LINES_MAX / sources.length),
      gapLeastMs: one.reduced ? 2 * partMs : 0,
      dash: DASHES[index],
    });
  });
  const words = drawn.flatMap(({ lines, leftOut }, index) => wordsOf(sources[index]?.prefix ?? "", lines.length, leftOut));
  const other = units.find((unit) => unit !== "" && unit !== units[0]);
  if (other !== undefined) words.push(`Units differ: ${units[0] || "none"} and ${other}.`);
  if (found.some((one) => one.truncated)) words.push("The server left out series or points beyond its limits.");
  if (found.some((one) => one.reduced)) {
    words.push("There are more points than fit: of each part of the time its first, last, least and greatest are shown.");
  }
  return { ...window, view, unit: unitOf(units[0] ?? "", view, kind), lines: drawn.flatMap((one) => one.lines), words };
}

function wordsOf(prefix: string, shown: number, leftOut: number): string[] {
  const of = prefix ? `${prefix}: ` : "";
  if (shown === 0 && of) return [`${of}no data in this range.`];
  return leftOut > 0 ? [`${of}${shown} of ${shown + leftOut} series are drawn, those that reach highest.`] : [];
}
