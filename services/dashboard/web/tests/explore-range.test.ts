// @vitest-environment node
import { describe, expect, it } from "vitest";
import { fieldOf, isSameRange, lengthOf, moved, picked, readRange, timeOfField, windowAt } from "../src/views/explore/range";

const read = (last = "", from = "", to = "") => readRange({ last, from, to });

describe("lengths", () => {
  it.each([
    ["15m", 900_000],
    ["1d", 86_400_000],
    ["31d", 31 * 86_400_000],
    ["90s", 90_000],
  ])("reads %s", (text, length) => expect(lengthOf(text)).toBe(length));

  it.each(["", "0m", "32d", "1w", "-1h", "1h earlier", "1.5h", "9999999d"])("reads nothing from %j", (text) =>
    expect(lengthOf(text)).toBeUndefined(),
  );
});

describe("the range of an address", () => {
  it("is the last half hour where nothing is said", () => expect(read()).toEqual({ isLive: true, length: 1_800_000, text: "30m" }));
  it("is what is picked where both are said", () => expect(read("1h", "10", "20")).toEqual({ isLive: false, from: 10, to: 20 }));
  it.each([
    ["tomorrow", "", ""],
    ["", "10", ""],
    ["", "", "10"],
    ["", "20", "10"],
    ["", "10", "10"],
    ["", "-5", "10"],
    ["", "ten", "20"],
    ["", "0", String(32 * 86_400_000)],
  ])("is wrong for last=%j from=%j to=%j, and takes nothing else for it", (last, from, to) =>
    expect(read(last, from, to)).toHaveProperty("wrong"),
  );

  it("moves with the clock only while it is live", () => {
    expect(windowAt({ isLive: true, length: 1_000, text: "1s" }, 5_000.5)).toEqual({ from: 4_000, to: 5_001 });
    expect(windowAt({ isLive: false, from: 1, to: 2 }, 5_000)).toEqual({ from: 1, to: 2 });
  });

  it("is the same where it says the same", () => {
    expect(isSameRange({ isLive: false, from: 1, to: 2 }, { isLive: false, from: 1, to: 2 })).toBe(true);
    expect(isSameRange({ isLive: false, from: 1, to: 2 }, undefined)).toBe(false);
  });
});

describe("what is picked", () => {
  it("is in whole milliseconds, at least a second, and no longer the last while", () => {
    expect(picked(1_000.7, 5_000.2)).toEqual({ from: "1000", to: "5001", last: "" });
    expect(picked(1_000, 1_001)).toEqual({ from: "1000", to: "2000", last: "" });
  });
  it("reads back as a range", () => {
    const { from, to } = picked(1_234.5, 9_876.5);
    expect(read("", from, to)).toEqual({ isLive: false, from: 1_234, to: 9_877 });
  });
  it("moves by half of itself", () => {
    expect(moved({ from: 10_000, to: 20_000 }, -1)).toEqual({ from: 5_000, to: 15_000 });
    expect(moved({ from: 10_000, to: 20_000 }, 1)).toEqual({ from: 15_000, to: 25_000 });
  });
  it("goes through a field and back", () => {
    const at = new Date(2026, 10, 30, 4, 5, 6).getTime();
    expect(fieldOf(at)).toBe("2026-11-30T04:05:06");
    expect(timeOfField(fieldOf(at))).toBe(at);
    expect(timeOfField("")).toBeUndefined();
    expect(timeOfField("yesterday")).toBeUndefined();
  });
});
