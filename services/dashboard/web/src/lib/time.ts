// Times of the contracts as milliseconds since 1970, and as people read them.

import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

/** Milliseconds since 1970, in the zone-free time of the wire. */
export type Millis = number;

export function millis(time: Timestamp): Millis;
export function millis(time: Timestamp | undefined): Millis | undefined;
export function millis(time: Timestamp | undefined): Millis | undefined {
  return time && Number(time.seconds) * 1000 + time.nanos / 1e6;
}

export function timestamp(at: Millis): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(at / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((at - seconds * 1000) * 1e6) };
}

export function durationMillis(duration: Duration | undefined): Millis | undefined {
  return duration && Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

const two = (number: number) => String(number).padStart(2, "0");

/** As in 14:03:09, in the reader's own zone. */
export function clock(at: Millis): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** As in 2026-11-30 14:03:09, in the reader's own zone. */
export function dateTime(at: Millis): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(at)}`;
}

/** The time of day alone where it is within a day of now. */
export function shortTime(at: Millis, now: Millis): string {
  return Math.abs(now - at) < 20 * 3_600_000 ? clock(at) : dateTime(at);
}

/** The two largest parts of a span, as in 3m 20s. */
export function span(length: Millis): string {
  const seconds = Math.max(0, Math.round(length / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

/** How long ago, or in how long. */
export function relative(at: Millis, now: Millis): string {
  return at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`;
}

/** A time under an axis whose ticks, in seconds, stand so close: with seconds where they matter, with the day where it does. */
export function tickTime(at: Millis, ticks: readonly number[]): string {
  const [first, second] = ticks;
  const step = first === undefined || second === undefined ? 60 : second - first;
  const [day, time] = dateTime(at).split(" ") as [string, string];
  if (step >= 86_400) return day.slice(5);
  if (step >= 3_600 && time.startsWith("00:00")) return day.slice(5);
  return step < 60 ? time : time.slice(0, 5);
}
