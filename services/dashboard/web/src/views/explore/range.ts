// Which time is looked at, as the address says it: the last while, which moves on, or from one moment to another.

import type { Millis } from "../../lib/time";

export type Range = { isLive: true; length: Millis; text: string } | { isLive: false; from: Millis; to: Millis };

export interface Window {
  from: Millis;
  to: Millis;
}

/** Lengths that the page offers; the address may say any other. */
export const LENGTHS: readonly string[] = ["15m", "30m", "1h", "6h", "1d"];
export const LENGTH_DEFAULT = "30m";
/** The server answers for no more. */
export const LENGTH_MAX: Millis = 31 * 86_400_000;
/** How often a range that moves on is asked for again. */
export const REFRESH_MS: Millis = 10_000;

const UNITS: Readonly<Record<string, Millis>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What `30m` or `1d` says; nothing where it says no length, or none that the server answers for. */
export function lengthOf(text: string): Millis | undefined {
  const found = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  const length = found && Number(found[1]) * (UNITS[found[2] ?? ""] ?? 0);
  return length && length <= LENGTH_MAX ? length : undefined;
}

/** What the address says; why it cannot be asked for where it says something else. */
export function readRange(said: { last: string; from: string; to: string }): Range | { wrong: string } {
  if (!said.from && !said.to) {
    const text = said.last || LENGTH_DEFAULT;
    const length = lengthOf(text);
    return length ? { isLive: true, length, text } : { wrong: `“${text}” is no length of time such as 30m or 6h, up to 31d` };
  }
  const [from, to] = [Number(said.from), Number(said.to)];
  const isTime = (text: string, at: number) => text !== "" && Number.isSafeInteger(at) && at >= 0;
  if (!isTime(said.from, from) || !isTime(said.to, to)) {
    return { wrong: "a range needs a beginning and an end, both in milliseconds since 1970" };
  }
  if (to <= from) return { wrong: "the range ends before it begins" };
  if (to - from > LENGTH_MAX) return { wrong: "the range is longer than 31 days, which is the most that can be asked for" };
  return { isLive: false, from, to };
}

/** The range as it is now. */
export function windowAt(range: Range, now: Millis): Window {
  return range.isLive ? { from: Math.floor(now - range.length), to: Math.ceil(now) } : { from: range.from, to: range.to };
}

export function isSameRange(a: Range | undefined, b: Range | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What the reader picked, as the address says it: whole milliseconds, and at least a second. */
export function picked(from: Millis, to: Millis): { from: string; to: string; last: string } {
  const start = Math.max(0, Math.floor(from));
  return { from: String(start), to: String(Math.max(Math.ceil(to), start + 1_000)), last: "" };
}

/** Half a range before or after. */
export function moved(window: Window, direction: -1 | 1): Window {
  const by = (direction * (window.to - window.from)) / 2;
  return { from: Math.max(0, window.from + by), to: Math.max(1_000, window.to + by) };
}

const two = (value: number) => String(value).padStart(2, "0");

/** As a field for a date and a time has it, in the reader's zone. */
export function fieldOf(at: Millis): string {
  const date = new Date(at);
  const day = `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** What {@link fieldOf} wrote; nothing where the field is empty. */
export function timeOfField(text: string): Millis | undefined {
  const at = text ? new Date(text).getTime() : Number.NaN;
  return Number.isFinite(at) ? at : undefined;
}
