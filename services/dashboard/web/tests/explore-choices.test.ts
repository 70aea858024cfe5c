// @vitest-environment node
import { describe, expect, it } from "vitest";
import { hasWords, readMetrics, readViews, suggested, writeViews } from "../src/views/explore/choices";

describe("metrics of an address", () => {
  it("are several keys, or several in one, each once", () =>
    expect(readMetrics(["a.b, c", "d", "c", ""])).toEqual(["a.b", "c", "d"]));

  it("are suggested by what tells most", () =>
    expect(
      suggested(["process.uptime", "process.memory.usage", "http.client.request.duration", "http.server.request.duration", "x", "jobs.failed"]),
    ).toEqual(["http.server.request.duration", "http.client.request.duration", "jobs.failed", "process.memory.usage"]));
  it("are suggested also where none is known", () => expect(suggested(["b", "a"])).toEqual(["a", "b"]));
});

describe("views of an address", () => {
  it("are by metric, whose name may have colons", () =>
    expect([...readViews("a:rate,job:b:mean,c:sideways,:value,d")]).toEqual([
      ["a", "rate"],
      ["job:b", "mean"],
    ]));
  it("are written as they are read", () => {
    const views = readViews(writeViews(readViews("a:rate"), "b:c", "mean"));
    expect([...views]).toEqual([
      ["a", "rate"],
      ["b:c", "mean"],
    ]);
    expect(writeViews(views, "a", undefined)).toBe("b:c:mean");
    expect(writeViews(readViews(""), "a", undefined)).toBe("");
  });
});

describe("words", () => {
  it("are all in the name, in any order and case", () => {
    expect(hasWords("http.server.request.duration", "DURATION http")).toBe(true);
    expect(hasWords("http.server.request.duration", "http client")).toBe(false);
    expect(hasWords("anything", "")).toBe(true);
    expect(hasWords("anything", " ")).toBe(true);
  });
});
