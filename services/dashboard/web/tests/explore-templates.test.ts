// @vitest-environment node
import { describe, expect, it } from "vitest";
import { byTemplate, templateOf } from "../src/views/explore/templates";

describe("the template of a line", () => {
  it.each([
    ["pool exhausted after 2500 ms", "pool exhausted after <*> ms"],
    ["took 12.5ms.", "took <*>."],
    ["user 4f1c2d3e-0000-4000-8000-1234567890ab signed in", "user <*> signed in"],
    ['unknown sku "AB 12" asked for', "unknown sku <*> asked for"],
    ["unknown sku 'blue shirt' asked for", "unknown sku <*> asked for"],
    ["can't read it, don't ask", "can't read it, don't ask"],
    ["GET /orders/17/items 200", "GET /orders/<*>/items <*>"],
    ["2026-11-30T14:03:09.123Z refused 10.0.0.7:5432", "<*> refused <*>"],
    ["ids=[1, 2, 3]", "ids=[<*>]"],
    ["ids=[1, 2, 3, 4, 5]", "ids=[<*>]"],
    ['{"level":"warn","attempt":3}', '{"level":<*>,"attempt":<*>}'],
    ["  two\n\twords ", "two words"],
    ["no numbers at all", "no numbers at all"],
    ["", ""],
  ])("%j is %j", (line, template) => expect(templateOf(line)).toBe(template));

  it("is one for lines that differ in what they carry", () =>
    expect(templateOf("order 1 of ann@7 failed")).toBe(templateOf("order 982 of ann@12 failed")));
  it("is another for lines that another statement wrote", () => expect(templateOf("order 1 failed")).not.toBe(templateOf("order 1 done")));
  it("looks at the beginning of long lines, in time that does not grow with their square", () => {
    const began = performance.now();
    expect(templateOf("x".repeat(1_000_000))).toHaveLength(2_001);
    expect(templateOf("a.".repeat(500_000)).endsWith("…")).toBe(true);
    expect(templateOf('"'.repeat(1_000_001)).length).toBeLessThan(3_000);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe("lines by template", () => {
  const lines = ["a 1", "b 1", "b 2", "c", "b 3", "c", ""].map((body) => ({ body }));

  it("come with the most frequent first, and otherwise as they were met", () =>
    expect(byTemplate(lines).map((one) => [one.template, one.lines.length])).toEqual([
      ["b <*>", 3],
      ["c", 2],
      ["a <*>", 1],
      ["(no text)", 1],
    ]));
  it("lose no line", () => expect(byTemplate(lines).flatMap((one) => one.lines)).toHaveLength(lines.length));
  it("are none of none", () => expect(byTemplate([])).toEqual([]));
});
