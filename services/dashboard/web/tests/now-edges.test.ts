// @vitest-environment node
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { FleetStateSchema } from "@contracts/dashboard/v1/dashboard_service_pb";
import { type Edge, edgeInWords, edgesOf, fareOf, keyOf, widthOf, worstFirst } from "../src/views/now/edges";
import { traceLink } from "../src/views/incident/commands";

const service = (name: string) => ({ namespace: "shop", name, environment: "demo" });
const state = create(FleetStateSchema, {
  fleet: {
    calls: [
      { caller: service("web"), callee: { case: "service", value: service("cart") }, requestsPerSecond: 40, errorRatio: 0.1, latencyS: 0.2, latencyDimension: "p95" },
      { caller: service("web"), callee: { case: "address", value: "bank.example" }, requestsPerSecond: 2 },
      { caller: service("cart"), callee: { case: "address", value: "mail.example" } },
    ],
  },
  calls: [
    { client: service("web"), server: service("cart"), callCount: 600 },
    { client: service("cart"), server: service("stock"), callCount: 30 },
  ],
  callsSeconds: 300,
});
const edges = edgesOf(state);
const to = (name: string) => edges.find((edge) => edge.to.includes(name)) as Edge;

describe("edges", () => {
  it("are there once each, of metrics and of traces", () => expect(edges.map((edge) => edge.to)).toEqual(["shop/cart@demo", "bank.example", "mail.example", "shop/stock@demo"]));
  it("have what the caller measures beside what traces tell", () =>
    expect(to("cart")).toMatchObject({ perSecond: 40, errorRatio: 0.1, tracedPerSecond: 2, isOutside: false }));
  it("say how calls fare", () => expect(edges.map(fareOf)).toEqual(["failing", "counted", "unmeasured", "unmeasured"]));
  it("of which nobody measured anything have no figure and no zero", () => {
    expect(to("stock")).toMatchObject({ perSecond: undefined, errorRatio: undefined, latencyS: undefined, tracedPerSecond: 0.1 });
    expect(edgeInWords(to("stock"))).toBe("shop/cart@demo calls shop/stock@demo: not measured by the caller; 0.1/s as far as traces tell");
    expect(edgeInWords(to("bank"))).toBe("shop/web@demo calls bank.example: 2/s, errors –, latency –");
    expect(edgeInWords(to("cart"))).toContain("40/s, errors 10 %, latency 200 ms (p95)");
  });
  it("without errors fare well only where errors are measured", () => {
    expect(fareOf({ ...to("bank"), errorRatio: 0 })).toBe("well");
    expect(fareOf({ ...to("bank"), errorRatio: 0.02 })).toBe("some");
  });
  it("lead to a service, or to an address that reads like one", () =>
    expect(keyOf({ ...to("bank"), to: "redis" })).not.toBe(keyOf({ ...to("bank"), to: "redis", isOutside: false })));
  it("are wider the more there is", () => expect(widthOf(to("cart"))).toBeGreaterThan(widthOf(to("bank"))));
  it("come worst first, and what is not measured last", () => {
    const well = { ...to("bank"), errorRatio: 0 };
    expect(worstFirst([to("stock"), well, to("cart")]).map((edge) => edge.to)).toEqual(["shop/cart@demo", "bank.example", "shop/stock@demo"]);
  });
});

describe("a link to a trace", () => {
  const url = "http://127.0.0.1:16686/trace/{trace_id}";
  it("has the id and nothing else", () => {
    const id = "0b9f6a2e0b9f6a2e0b9f6a2e0b9f6a2e";
    expect(traceLink(url, id)).toBe(`http://127.0.0.1:16686/trace/${id}`);
    for (const other of ["", "0b9f", `${id}/..`, "javascript:alert(1)"]) expect(traceLink(url, other)).toBeUndefined();
    expect(traceLink(undefined, id)).toBeUndefined();
  });
});
