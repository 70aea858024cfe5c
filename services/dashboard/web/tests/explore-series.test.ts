// @vitest-environment node
import { create } from "@bufbuild/protobuf";
import { type Series, SeriesSchema } from "@contracts/telemetry/v1/telemetry_pb";
import { describe, expect, it } from "vitest";
import { draw, gapOf, kindOf, labelsOf, unitOf, viewOf } from "../src/views/explore/series";

interface Made {
  values?: readonly number[];
  count?: bigint;
  instance?: string;
  version?: string;
  attributes?: Record<string, string>;
}

function series(made: Made = {}): Series {
  const { values = [], count = 0n, instance = "", version = "", attributes = {} } = made;
  const points = values.map((value, index) => ({ time: { seconds: BigInt(index * 10), nanos: 0 }, value, count }));
  return create(SeriesSchema, { origin: { instance, version }, attributes, points });
}

describe("what a metric is", () => {
  it.each([
    ["http.server.request.duration", series({ values: [1, 2], count: 3n }), "distribution"],
    ["redis.keyspace.hits", series({ values: [1, 5, 5, 9] }), "counter"],
    ["http_requests_total", series({ values: [100, 200, 3, 90] }), "counter"],
    ["http_requests_total", series({ values: [100, 60, 80, 90] }), "plain"],
    ["http_requests_total", series({ values: [1, 2] }), "plain"],
    ["process.memory.usage", series({ values: [1, 2, 3, 4, 5] }), "plain"],
  ] as const)("%s", (metric, made, kind) => expect(kindOf(metric, [made])).toBe(kind));

  it("is not known without points", () => expect(kindOf("x.total", [series()])).toBeUndefined());
  it("says how it is read, and in which unit", () => {
    expect([viewOf("distribution"), viewOf("counter"), viewOf("plain"), viewOf(undefined)]).toEqual(["mean", "rate", "value", "value"]);
    expect(unitOf("s", "mean", "distribution")).toBe("s");
    expect(unitOf("s", "rate", "distribution")).toBe("/s");
    expect(unitOf("By", "rate", "counter")).toBe("By/s");
    expect(unitOf("1", "rate", "counter")).toBe("/s");
    expect(unitOf("{request}", "rate", "counter")).toBe("/s");
    expect(unitOf("{request}", "value", "plain")).toBe("{request}");
  });
});

describe("gaps", () => {
  it("are longer than three usual spacings", () => expect(gapOf([0, 10, 20, 30, 100], 0)).toBe(30));
  it("are no shorter than can be seen", () => expect(gapOf([0, 10, 20], 500)).toBe(500));
  it("are none where there is no spacing", () => expect(gapOf([5], 0)).toBe(Infinity));
});

describe("labels", () => {
  it("say what sets series apart, and nothing that all share", () =>
    expect(
      labelsOf([
        series({ instance: "a", version: "1", attributes: { "http.route": "/x", method: "GET" } }),
        series({ instance: "b", version: "2", attributes: { "http.route": "/y", method: "GET" } }),
        series({ instance: "b", version: "2", attributes: { method: "GET" } }),
      ]),
    ).toEqual(["a http.route=/x", "b http.route=/y", "b"]));
  it("say the version where instances do not", () =>
    expect(labelsOf([series({ version: "1" }), series({ version: "2" })])).toEqual(["version=1", "version=2"]));
  it("are empty for one alone", () => expect(labelsOf([series({ instance: "a" })])).toEqual([""]));
  it("are never the same twice", () => expect(labelsOf([series(), series()])).toEqual(["without attributes", "without attributes (2)"]));
});

describe("lines", () => {
  const how = { prefix: "", alone: "m", shiftMs: 0, max: 12, gapLeastMs: 0 };

  it("are those that reach highest, in the order of their names, and the others are counted", () => {
    const all = [5, 9, 1, 7].map((peak, index) => series({ values: [0, peak], instance: `i${index}` }));
    const drawn = draw([...all, series({ instance: "silent" })], { ...how, max: 2 });
    expect(drawn.lines.map((line) => line.label)).toEqual(["i1", "i3"]);
    expect(drawn.leftOut).toBe(2);
  });
  it("have the metric's name where nothing sets them apart", () => {
    expect(draw([series({ values: [1] })], how).lines[0]?.label).toBe("m");
    expect(draw([series({ values: [1] })], { ...how, prefix: "now" }).lines[0]?.label).toBe("now");
  });
  it("of an earlier time are drawn later, in dashes", () => {
    const [line] = draw([series({ values: [1, 2] })], { ...how, shiftMs: 3_600_000, dash: [8, 5] }).lines;
    expect(line?.points).toEqual([
      [3_600_000, 1],
      [3_610_000, 2],
    ]);
    expect(line?.dash).toEqual([8, 5]);
  });
  it("beyond the colours are dotted", () => {
    const all = Array.from({ length: 8 }, (_, index) => series({ values: [index], instance: `i${index}` }));
    expect(draw(all, how).lines.map((line) => line.dash !== undefined)).toEqual([...Array(6).fill(false), true, true]);
  });
  it("have no point for what is no number", () =>
    expect(draw([series({ values: [1, Number.NaN, Infinity, 2] })], how).lines[0]?.points).toHaveLength(2));
  it("are none of none", () => expect(draw([], how)).toEqual({ lines: [], leftOut: 0 }));
});
