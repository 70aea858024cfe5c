// @vitest-environment node
import { describe, expect, it } from "vitest";
import { at, beside, lineOf, pathOf } from "../src/views/now/lines";

const room = { across: 66, below: 39 };

describe("a line", () => {
  it("goes straight to the next column", () => expect(lineOf({ x: 100, y: 20 }, { x: 166, y: 20 }, room).map((point) => point.y)).toEqual([20, 20, 20, 20]));
  it("goes below a row in which it would be hidden", () => {
    const hidden = [
      [{ x: 100, y: 20 }, { x: 410, y: 20 }],
      [{ x: 410, y: 20 }, { x: 100, y: 20 }],
      [{ x: 182, y: 20 }, { x: 4, y: 20 }],
    ] as const;
    for (const [from, to] of hidden) expect(at(lineOf(from, to, room), 0.5).y).toBeCloseTo(59);
  });
  it("has its figure beside the caller, however long it is", () => {
    for (const x of [166, 410, 900]) {
      const figure = beside(lineOf({ x: 100, y: 20 }, { x, y: 98 }, room)).x;
      expect(figure).toBeGreaterThan(105);
      expect(figure).toBeLessThan(150);
    }
  });
  it("begins and ends where it should", () => {
    const line = lineOf({ x: 1, y: 2 }, { x: 300, y: 90 }, room);
    expect([at(line, 0), at(line, 1)]).toEqual([{ x: 1, y: 2 }, { x: 300, y: 90 }]);
    expect(pathOf(line)).toMatch(/^M1,2 C.* 300,90$/);
  });
});
