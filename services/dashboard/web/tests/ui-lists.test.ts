import { describe, expect, it } from "vitest";
import { keyed } from "../src/ui/keyed";
import { titleOf } from "../src/lib/names";

describe("a list by key", () => {
  const keys = (names: readonly string[]) => [...keyed(names.map((name) => ({ name })), (one) => one.name).keys()];
  it("keeps the order, and each that is alike", () => {
    const found = keys(["b", "a", "b", "b"]);
    expect(found.map((key) => key[0])).toEqual(["b", "a", "b", "b"]);
    expect(new Set(found).size).toBe(4);
  });
  it("gives the same keys for the same list, and the first of a kind the same wherever it stands", () => {
    expect(keys(["a", "b", "b"])).toEqual(keys(["a", "b", "b"]));
    expect(keys(["c", "b", "b"]).slice(1)).toEqual(keys(["b", "b"]));
  });
});

describe("the title of the window", () => {
  it("says how many incidents are open, and first what is lost", () => {
    expect(titleOf("Now", false, 0)).toBe("Now · LLM-SRE");
    expect(titleOf("Now", false, 2)).toBe("(2) Now · LLM-SRE");
    expect(titleOf("Audit", true, 1)).toBe("Not live · (1) Audit · LLM-SRE");
  });
});
