// How a call is drawn from one service to another.

/** A corner or an end, in the map's own units. */
export interface Point {
  x: number;
  y: number;
}

/** A cubic Bézier curve: where it begins, what bends it, and where it ends. */
export type Line = readonly [Point, Point, Point, Point];

/** What lies between two columns, and how far below a row there is room for a line. */
export interface Room {
  across: number;
  below: number;
}

/**
 * From the right side of who calls to the left side of who is called. What would lie behind a service of the same row, since
 * it passes over a column, goes back or calls itself, goes below the row.
 */
export function lineOf(from: Point, to: Point, room: Room): Line {
  const isOneRow = Math.abs(to.y - from.y) < 1;
  const isNext = to.x > from.x && to.x - from.x <= room.across + 1;
  const bend = Math.max(30, Math.abs(to.x - from.x) / 2);
  // The middle of such a curve comes three quarters as far as its bends.
  const down = isOneRow && !isNext ? (room.below * 4) / 3 : 0;
  return [from, { x: from.x + (down ? 30 : bend), y: from.y + down }, { x: to.x - (down ? 30 : bend), y: to.y + down }, to];
}

export function pathOf([from, one, other, to]: Line): string {
  return `M${from.x},${from.y} C${one.x},${one.y} ${other.x},${other.y} ${to.x},${to.y}`;
}

/** The point after a share of the curve's parameter. */
export function at([from, one, other, to]: Line, share: number): Point {
  const rest = 1 - share;
  const along = (axis: "x" | "y") =>
    rest ** 3 * from[axis] + 3 * rest ** 2 * share * one[axis] + 3 * rest * share ** 2 * other[axis] + share ** 3 * to[axis];
  return { x: along("x"), y: along("y") };
}

/** How far from the caller a figure stands: in the room beside it, where no other service is. */
const BESIDE = 30;

/** Where a figure stands on a line. The curve begins with one and a half times its mean pace. */
export function beside(line: Line): Point {
  const length = Math.abs(line[3].x - line[0].x);
  return at(line, Math.min(0.3, BESIDE / (1.5 * Math.max(1, length))));
}
