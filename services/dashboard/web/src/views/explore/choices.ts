// What the reader chose to see of metrics, as the address says it.

import { SeriesView } from "@contracts/telemetry/v1/telemetry_service_pb";

/** A way to read the points of a series. */
export type View = "value" | "rate" | "mean";

export const VIEWS: readonly View[] = ["value", "rate", "mean"];

export const WIRE_OF_VIEW: Readonly<Record<View, SeriesView>> = {
  value: SeriesView.VALUE,
  rate: SeriesView.RATE,
  mean: SeriesView.MEAN,
};

/** Charts on one page; each asks the server by itself. */
export const CHARTS_MAX = 12;
/** Charts of a service where the reader chose none. */
const CHARTS_DEFAULT = 4;

/** Names that the address gives, each once: one key a name, or several in one with commas between them. */
export function readMetrics(said: readonly string[]): string[] {
  const names = said.flatMap((text) => text.split(",")).map((name) => name.trim());
  return [...new Set(names.filter((name) => name !== ""))];
}

/** What tells most of a service, by the words of OpenTelemetry's conventions. */
const TELLING: readonly RegExp[] = [
  /server.*(?:duration|latency)/,
  /(?:duration|latency)/,
  /error|fail/,
  /utilization|usage/,
  /request|call/,
];

/** Metrics to show where the reader chose none: those that tell most, and otherwise the first. */
export function suggested(names: readonly string[]): string[] {
  const rank = (name: string) => {
    const found = TELLING.findIndex((telling) => telling.test(name));
    return found < 0 ? TELLING.length : found;
  };
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)).slice(0, CHARTS_DEFAULT);
}

/** Views that the reader chose, by metric: `name:rate,other:mean`. What says no view is left out. */
export function readViews(said: string): ReadonlyMap<string, View> {
  const views = new Map<string, View>();
  for (const text of said.split(",")) {
    const colon = text.lastIndexOf(":");
    const view = VIEWS.find((view) => view === text.slice(colon + 1));
    if (colon > 0 && view) views.set(text.slice(0, colon), view);
  }
  return views;
}

/** What {@link readViews} reads, with another view of one metric; none where the page is to choose. */
export function writeViews(views: ReadonlyMap<string, View>, metric: string, view: View | undefined): string {
  const next = new Map(views);
  if (view) next.set(metric, view);
  else next.delete(metric);
  return [...next].map(([metric, view]) => `${metric}:${view}`).join(",");
}

/** Whether a name has all the words in it, in whatever order. */
export function hasWords(name: string, words: string): boolean {
  const lower = name.toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => lower.includes(word));
}
