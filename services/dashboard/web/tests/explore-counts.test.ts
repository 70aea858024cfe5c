// @vitest-environment node
import { describe, expect, it } from "vitest";
import { barsOf, barsOfCounts, reuse, total, wholeParts } from "../src/views/explore/counts";

interface Line {
  at: number | undefined;
  isBad: boolean;
}

const line = (at: number | undefined, isBad = false): Line => ({ at, isBad });
const bars = (lines: Line[]) =>
  barsOf(lines, (one) => one.at, [(one) => one.isBad, () => true], { from: 0, to: 100 }, 4).map((bar) => bar.counts);

describe("bars", () => {
  it("count each line once, by the first kind that it is of", () =>
    expect(bars([line(0), line(24, true), line(25), line(99, true)])).toEqual([
      [1, 1],
      [0, 1],
      [0, 0],
      [1, 0],
    ]));
  it("leave out what is not in the time, or has none", () =>
    expect(bars([line(-1), line(100), line(undefined)])).toEqual([[0, 0], [0, 0], [0, 0], [0, 0]]));
  it("are there without lines", () => expect(bars([])).toHaveLength(4));
  it("sum up", () => expect(total({ from: 0, to: 1, counts: [1, 2, 3] })).toBe(6));
});

describe("counts of the server", () => {
  const kinds = [(of: string) => of === "bad", () => true];
  const window = { from: 10_400, to: 40_000 };
  const bars = (counted: { from: number; of: string; count: number }[]) => barsOfCounts(counted, kinds, window, 10_000);

  it("stand in their part of the time, which begins on a whole second", () => {
    const found = bars([
      { from: 10_000, of: "bad", count: 3 },
      { from: 30_000, of: "good", count: 2 },
      { from: 30_000, of: "fine", count: 4 },
    ]);
    expect(found.map((bar) => bar.counts)).toEqual([
      [3, 0],
      [0, 0],
      [0, 6],
    ]);
    expect(found.map((bar) => [bar.from, bar.to])).toEqual([
      [10_000, 20_000],
      [20_000, 30_000],
      [30_000, 40_000],
    ]);
  });
  it("leave out what is in no part", () => expect(bars([{ from: 90_000, of: "bad", count: 1 }]).map(total)).toEqual([0, 0, 0]));
  it("are none where parts have no length", () => expect(barsOfCounts([], kinds, window, 0)).toEqual([]));
});

describe("a time that moves on", () => {
  const HALF_AN_HOUR = 1_800_000;
  const at = (now: number) => wholeParts({ from: Math.floor(now - HALF_AN_HOUR), to: Math.ceil(now) }, 60);

  it("is cut into parts that stay where they are", () => {
    const [one, later] = [at(1_700_000_000_123.4), at(1_700_000_009_876.5)];
    expect((one.to - one.from) / one.parts).toBe(30_000);
    expect([60, 61]).toContain(one.parts);
    expect(one.from % 30_000).toBe(0);
    expect([later.from - one.from, later.to - one.to].every((moved) => moved % 30_000 === 0)).toBe(true);
  });
  it("has no more parts than seconds", () => expect(wholeParts({ from: 5_000, to: 15_000 }, 60)).toEqual({ from: 5_000, to: 15_000, parts: 10 }));
  it("is counted up to now, and from no later than it begins", () => {
    for (const now of [1_700_000_000_000, 1_700_000_000_001, 1_700_000_017_500.5]) {
      const window = at(now);
      expect(window.to).toBeGreaterThanOrEqual(now);
      expect(window.to - now).toBeLessThan(30_000);
      expect(window.from).toBeLessThanOrEqual(now - HALF_AN_HOUR);
    }
  });
});

describe("lines that were known", () => {
  const key = (one: { body: string }) => one.body;
  const make = (...bodies: string[]) => bodies.map((body) => ({ body }));

  it("stay the same objects while new ones come before them", () => {
    const before = make("b", "a");
    const after = reuse(before, make("c", "b", "a"), key);
    expect(after.map(key)).toEqual(["c", "b", "a"]);
    expect(after[1]).toBe(before[0]);
    expect(after[2]).toBe(before[1]);
  });
  it("are told apart where they say the same", () => {
    const before = make("a", "a");
    const after = reuse(before, make("a", "a", "a"), key);
    expect(new Set(after).size).toBe(3);
    expect(after[1]).toBe(before[0]);
    expect(after[2]).toBe(before[1]);
  });
});
