// What all parts of the view have in common, from the address: which time, and which service.

import { type Accessor, createMemo, untrack } from "solid-js";
import { productNow, isHeard } from "../../client/clock";
import { live } from "../../client/live";
import { query, setQuery } from "../../lib/route";
import { picked, type Range, REFRESH_MS, readRange, type Window, windowAt, isSameRange } from "./range";

export interface Scope {
  /** Absent while it is not known what time it is, or the address says no range. */
  range: Accessor<Range | undefined>;
  /** Why the address says no range. */
  wrong: Accessor<string | undefined>;
  /** As the address names it; empty for all. */
  service: Accessor<string>;
}

export function createScope(): Scope {
  const read = createMemo(() => readRange({ last: query("last"), from: query("from"), to: query("to") }));
  const wrong = () => {
    const said = read();
    return "wrong" in said ? said.wrong : undefined;
  };
  // A demonstration's clock may be far from ours: its word is waited for, but not longer than there is somebody to give it.
  const isTimeKnown = createMemo(() => isHeard() || live.connection().state === "lost");
  const range = createMemo<Range | undefined>(
    () => {
      const said = read();
      return "wrong" in said || (said.isLive && !isTimeKnown()) ? undefined : said;
    },
    undefined,
    { equals: isSameRange },
  );
  return { range, wrong, service: () => query("service") };
}

/** The range as it is at this moment; a later moment is no reason to ask again. */
export const windowNow = (range: Range): Window => windowAt(range, untrack(productNow));

/** How often what a range holds is asked for again. */
export const refreshOf = (range: Range | undefined): number | undefined => (range?.isLive ? REFRESH_MS : undefined);

/** Shows this part of the time; going back shows what was there before. */
export function zoom(from: number, to: number): void {
  setQuery(picked(from, to), true);
}

/** Whether two questions are the same, since a memo makes a new object each time. */
export const isSame = <Q>(a: Q, b: Q): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The address of this view with some keys changed; an empty value takes the key away. */
export function addressWith(changes: Record<string, string>, from: URLSearchParams): string {
  const next = new URLSearchParams(from);
  for (const [key, value] of Object.entries(changes)) {
    if (value) next.set(key, value);
    else next.delete(key);
  }
  const search = next.toString();
  return search ? `/explore?${search}` : "/explore";
}
