// Where services stand in a map: callers left of those they call.

/** A service and how it is placed. */
export interface Placed {
  id: string;
  column: number;
  row: number;
}

/** Passes over the columns that bring those near each other that call each other. */
const PASSES = 6;

/**
 * Columns by the longest way from whoever is called by nobody, within which rows are ordered by where their neighbours
 * stand (Sugiyama, Tagawa and Toda, 1981). Calls in a circle are taken as they are met. The same calls give the same map.
 */
export function place(ids: readonly string[], calls: readonly (readonly [string, string])[]): Placed[] {
  const known = new Set(ids);
  const edges = calls.filter(([from, to]) => from !== to && known.has(from) && known.has(to));
  const column = columns(ids, edges);
  const rows = new Map<number, string[]>();
  for (const id of [...ids].sort()) {
    const at = column.get(id) ?? 0;
    rows.set(at, [...(rows.get(at) ?? []), id]);
  }
  const order = [...rows.keys()].sort((a, b) => a - b);
  const row = new Map<string, number>();
  for (const ids of rows.values()) ids.forEach((id, index) => row.set(id, index));
  for (let pass = 0; pass < PASSES; pass++) {
    const isForward = pass % 2 === 0;
    for (const at of isForward ? order : [...order].reverse()) {
      const neighbours = (id: string) =>
        edges.filter(([from, to]) => (isForward ? to : from) === id).map(([from, to]) => row.get(isForward ? from : to) ?? 0);
      const middle = new Map((rows.get(at) ?? []).map((id) => [id, mean(neighbours(id)) ?? row.get(id) ?? 0]));
      const sorted = [...(rows.get(at) ?? [])].sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0) || (a < b ? -1 : 1));
      sorted.forEach((id, index) => row.set(id, index));
      rows.set(at, sorted);
    }
  }
  return ids.map((id) => ({ id, column: column.get(id) ?? 0, row: row.get(id) ?? 0 }));
}

function columns(ids: readonly string[], edges: readonly (readonly [string, string])[]): Map<string, number> {
  const callees = new Map<string, string[]>();
  for (const [from, to] of edges) callees.set(from, [...(callees.get(from) ?? []), to]);
  const column = new Map<string, number>();
  const under = new Set<string>();
  const done: string[] = [];
  const seen = new Set<string>();
  const forward: [string, string][] = [];
  const visit = (id: string) => {
    seen.add(id);
    under.add(id);
    for (const callee of callees.get(id) ?? []) {
      // A call back to whoever is being visited closes a circle and moves nobody.
      if (!under.has(callee)) forward.push([id, callee]);
      if (!seen.has(callee)) visit(callee);
    }
    under.delete(id);
    done.push(id);
  };
  const called = new Set(edges.map(([, to]) => to));
  for (const id of [...ids].sort((a, b) => Number(called.has(a)) - Number(called.has(b)) || (a < b ? -1 : 1))) {
    if (!seen.has(id)) visit(id);
  }
  const callers = new Map<string, string[]>();
  for (const [from, to] of forward) callers.set(to, [...(callers.get(to) ?? []), from]);
  for (const id of done.reverse()) {
    column.set(id, Math.max(0, ...(callers.get(id) ?? []).map((caller) => (column.get(caller) ?? 0) + 1)));
  }
  return column;
}

function mean(numbers: readonly number[]): number | undefined {
  return numbers.length ? numbers.reduce((sum, number) => sum + number, 0) / numbers.length : undefined;
}
