// One state of a resource out of several, which came by several ways.

import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { millis } from "../../lib/time";

interface Changing {
  name: string;
  createTime?: Timestamp | undefined;
  updateTime?: Timestamp | undefined;
  endTime?: Timestamp | undefined;
}

/** The one that changed last; of several that changed at one time, the first. */
export function newest<T extends Changing>(states: readonly (T | undefined)[]): T | undefined {
  const changed = (one: T) => millis(one.updateTime) ?? millis(one.endTime) ?? millis(one.createTime) ?? 0;
  return states.reduce((best, one) => (one && (!best || changed(one) > changed(best)) ? one : best), undefined);
}

/** The states of several sources as one list, each resource once, newest first. */
export function together<T extends Changing>(sources: readonly (readonly T[])[]): readonly T[] {
  const byName = new Map<string, T[]>();
  for (const one of sources.flat()) byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
  const all = [...byName.values()].map((states) => newest(states)).filter((one) => one !== undefined);
  return all.sort((a, b) => (millis(b.createTime) ?? 0) - (millis(a.createTime) ?? 0));
}
