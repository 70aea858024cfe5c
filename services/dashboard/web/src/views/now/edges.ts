// Who calls whom, and how that fares: as the callers measure it, and as often as traces tell.

import type { FleetState } from "@contracts/dashboard/v1/dashboard_service_pb";
import { percent, rate, seconds } from "../../lib/format";
import { serviceName } from "../../lib/names";

export interface Edge {
  from: string;
  to: string;
  /** Whether `to` is an address at which no service is known to be. */
  isOutside: boolean;
  /** As the caller measures it; what is absent was not measured lately. */
  perSecond: number | undefined;
  errorRatio: number | undefined;
  latencyS: number | undefined;
  latencyDimension: string;
  /** As traces tell, which may be sampled. Absent where they tell of none. */
  tracedPerSecond: number | undefined;
}

/** Every call of which metrics or traces tell, each caller and called once. */
export function edgesOf(state: Pick<FleetState, "fleet" | "calls" | "callsSeconds"> | undefined): Edge[] {
  const edges = new Map<string, Edge>();
  for (const call of state?.fleet?.calls ?? []) {
    const isOutside = call.callee.case !== "service";
    const to = call.callee.case === "service" ? serviceName(call.callee.value) : (call.callee.value ?? "");
    const { requestsPerSecond: perSecond, errorRatio, latencyS, latencyDimension } = call;
    const edge = { from: serviceName(call.caller), to, isOutside, perSecond, errorRatio, latencyS, latencyDimension };
    edges.set(keyOf(edge), { ...edge, tracedPerSecond: undefined });
  }
  const over = state?.callsSeconds || 1;
  for (const call of state?.calls ?? []) {
    const [from, to] = [serviceName(call.client), serviceName(call.server)];
    const traced = { ...NOT_MEASURED, from, to };
    const known = edges.get(keyOf(traced)) ?? traced;
    edges.set(keyOf(traced), { ...known, tracedPerSecond: call.callCount / over });
  }
  return [...edges.values()];
}

const NOT_MEASURED = {
  isOutside: false,
  perSecond: undefined,
  errorRatio: undefined,
  latencyS: undefined,
  latencyDimension: "",
};

/** What stands at its end: a service by its name, or an address, which may read like one. */
export const endOf = (edge: { to: string; isOutside: boolean }): string => (edge.isOutside ? outsideId(edge.to) : edge.to);

export const outsideId = (address: string): string => `outside ${address}`;

export const keyOf = (edge: { from: string; to: string; isOutside: boolean }): string => JSON.stringify([edge.from, endOf(edge)]);

/** From this share of errors on, calls to somebody fail, and not one here and there; as diagnosis takes it. */
export const FAILING_MIN = 0.05;
/** And from this on some do. */
const SOME_FAIL_MIN = 0.01;

export type Fare = "unmeasured" | "counted" | "well" | "some" | "failing";

export function fareOf(edge: Edge): Fare {
  if (edge.errorRatio !== undefined) {
    if (edge.errorRatio >= FAILING_MIN) return "failing";
    return edge.errorRatio >= SOME_FAIL_MIN ? "some" : "well";
  }
  return edge.perSecond === undefined && edge.latencyS === undefined ? "unmeasured" : "counted";
}

/** Whether so much fails that it is said without being asked. */
export const isFailing = (edge: Edge): boolean => ["some", "failing"].includes(fareOf(edge));

/** How wide it is drawn: by the logarithm of its rate, since rates differ by more than widths can. */
export function widthOf(edge: Edge): number {
  return 1 + Math.min(4, Math.log10(1 + (edge.perSecond ?? edge.tracedPerSecond ?? 0)));
}

/** What an edge shows, in words. */
export function edgeInWords(edge: Edge): string {
  const measured =
    fareOf(edge) === "unmeasured"
      ? "not measured by the caller"
      : [
          rate(edge.perSecond),
          `errors ${percent(edge.errorRatio)}`,
          `latency ${seconds(edge.latencyS)}${edge.latencyDimension && ` (${edge.latencyDimension})`}`,
        ].join(", ");
  const traced = edge.tracedPerSecond === undefined ? "" : `; ${rate(edge.tracedPerSecond)} as far as traces tell`;
  return `${edge.from} calls ${edge.to}: ${measured}${traced}`;
}

/** Those of which the most fails first, then by name. */
export function worstFirst(edges: readonly Edge[]): Edge[] {
  return [...edges].sort((a, b) => (b.errorRatio ?? -1) - (a.errorRatio ?? -1) || (keyOf(a) < keyOf(b) ? -1 : 1));
}
