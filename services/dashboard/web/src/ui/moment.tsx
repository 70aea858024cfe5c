// A time, in the reader's zone, with the whole of it and how long ago it was for who points at it.

import { type JSX, Show } from "solid-js";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { productNow } from "../client/clock";
import { ABSENT } from "../lib/format";
import { dateTime, millis, relative, shortTime, span } from "../lib/time";

/** As in 14:03:09. */
export function Moment(props: { time: Timestamp | undefined }): JSX.Element {
  return (
    <Show when={millis(props.time)} fallback={ABSENT}>
      {(at) => (
        <time datetime={new Date(at()).toISOString()} title={`${dateTime(at())} (${relative(at(), productNow())})`}>
          {shortTime(at(), productNow())}
        </time>
      )}
    </Show>
  );
}

/** As in 3m 20s ago, or in 20s. */
export function Ago(props: { time: Timestamp | undefined }): JSX.Element {
  return (
    <Show when={millis(props.time)} fallback={ABSENT}>
      {(at) => (
        <time datetime={new Date(at()).toISOString()} title={dateTime(at())}>
          {relative(at(), productNow())}
        </time>
      )}
    </Show>
  );
}

/** How long it is until then, as in 2m 10s; nothing once it is over. */
export function Countdown(props: { until: Timestamp | undefined; over?: string }): JSX.Element {
  const left = () => (millis(props.until) ?? 0) - productNow();
  return (
    <Show when={props.until}>
      <span role="timer" aria-live="off">
        {left() > 0 ? span(left()) : (props.over ?? "over")}
      </span>
    </Show>
  );
}
