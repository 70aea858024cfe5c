// How the lines that were fetched are spread over the time. The server counts nothing, so it is said what was counted.

import { createMemo, createSignal, For, type JSX, Show } from "solid-js";
import { type LogRecord, LogSeverity } from "@contracts/telemetry/v1/telemetry_pb";
import { clock, dateTime, type Millis, millis } from "../../lib/time";
import { type Bar, barsOf, total } from "./counts";
import type { Window } from "./range";
import { zoom } from "./scope";

const PARTS = 60;
const HEIGHT = 80;
/** A drag of less than this share of the width was a click. */
const DRAG_MIN = 0.005;

const KINDS: readonly { name: string; colour: string; is: (line: LogRecord) => boolean }[] = [
  { name: "error or fatal", colour: "var(--troubled)", is: (line) => line.severity >= LogSeverity.ERROR },
  { name: "warn", colour: "var(--waiting)", is: (line) => line.severity === LogSeverity.WARN },
  { name: "less or not stated", colour: "var(--series1)", is: () => true },
];

interface CountsProps {
  lines: readonly LogRecord[];
  /** How many were fetched, of any template. */
  all: number;
  window: Window;
  /** When the oldest line is of that was fetched, whichever are shown of them; absent where nothing that matches is missing. */
  fetchedFrom: Millis | undefined;
}

const at = (line: LogRecord) => millis(line.time);

export function LogCounts(props: CountsProps): JSX.Element {
  const bars = createMemo(() => barsOf(props.lines, at, KINDS.map((kind) => kind.is), props.window, PARTS));
  const sum = (kind: number) => bars().reduce((sum, bar) => sum + (bar.counts[kind] ?? 0), 0);
  const sums = () => KINDS.map((kind, index) => `${sum(index)} ${kind.name}`).join(", ");
  // Before the oldest line nothing was fetched: what is there is not known, which is not the same as none.
  const unknownUntil = () => props.fetchedFrom;
  const words = () => {
    const most = Math.max(0, ...bars().map(total));
    const peak = bars().find((bar) => total(bar) === most);
    const of = props.lines.length < props.all ? `, which are some of the ${props.all} lines fetched` : "";
    const greatest = peak && most > 0 ? ` At most ${most} in a part, at ${clock(peak.from)}.` : "";
    return `Of the ${props.lines.length} lines shown${of}: ${sums()}.${greatest}`;
  };
  return (
    <div class="counts">
      <p>
        <For each={KINDS}>
          {(kind) => (
            <span class="key" style={{ "--key": kind.colour }}>
              {kind.name}
            </span>
          )}
        </For>
      </p>
      <Bars bars={bars()} window={props.window} unknownUntil={unknownUntil()} label={words()} />
      <p class="row muted">
        <span>{dateTime(props.window.from)}</span>
        <span class="last">{dateTime(props.window.to)}</span>
      </p>
      <p class="muted">
        {words()}
        <Show when={props.fetchedFrom !== undefined}> There are older lines that were not fetched; their part of the time is hatched.</Show>
      </p>
      <Values bars={bars()} />
    </div>
  );
}

interface BarsProps {
  bars: readonly Bar[];
  window: Window;
  unknownUntil: number | undefined;
  label: string;
}

function Bars(props: BarsProps): JSX.Element {
  let place!: SVGSVGElement;
  const [drag, setDrag] = createSignal<{ from: number; to: number }>();
  const most = () => Math.max(1, ...props.bars.map(total));
  const share = (event: PointerEvent) => {
    const box = place.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / (box.width || 1)));
  };
  const time = (share: number) => props.window.from + share * (props.window.to - props.window.from);
  const begin = (event: PointerEvent) => {
    if (event.button !== 0) return;
    place.setPointerCapture(event.pointerId);
    setDrag({ from: share(event), to: share(event) });
  };
  const end = () => {
    const picked = drag();
    setDrag(undefined);
    if (!picked || Math.abs(picked.to - picked.from) < DRAG_MIN) return;
    zoom(time(Math.min(picked.from, picked.to)), time(Math.max(picked.from, picked.to)));
  };
  const unknown = () => {
    const until = props.unknownUntil;
    if (until === undefined || !Number.isFinite(until)) return 0;
    return (PARTS * (until - props.window.from)) / (props.window.to - props.window.from);
  };
  return (
    <svg
      ref={place}
      viewBox={`0 0 ${PARTS} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.label}
      onPointerDown={begin}
      onPointerMove={(event) => setDrag((now) => now && { ...now, to: share(event) })}
      onPointerUp={end}
      onPointerCancel={() => setDrag(undefined)}
    >
      <defs>
        <pattern id="not-fetched" width="1" height="8" patternUnits="userSpaceOnUse">
          <rect width="1" height="3" fill="var(--grid)" />
        </pattern>
      </defs>
      <rect x="0" y="0" width={Math.max(0, unknown())} height={HEIGHT} fill="url(#not-fetched)" />
      <For each={props.bars}>{(bar, index) => <Stack bar={bar} left={index()} most={most()} />}</For>
      <Show when={drag()}>
        {(drag) => (
          <rect
            class="picked"
            x={PARTS * Math.min(drag().from, drag().to)}
            y="0"
            width={PARTS * Math.abs(drag().to - drag().from)}
            height={HEIGHT}
          />
        )}
      </Show>
    </svg>
  );
}

/** The worst stand at the bottom, where lengths can be compared. */
function Stack(props: { bar: Bar; left: number; most: number }): JSX.Element {
  const height = (count: number) => (count / props.most) * (HEIGHT - 4);
  const below = (index: number) => props.bar.counts.slice(0, index).reduce((sum, count) => sum + count, 0);
  return (
    <For each={props.bar.counts}>
      {(count, index) => (
        <Show when={count > 0}>
          <rect
            x={props.left + 0.08}
            y={HEIGHT - height(below(index()) + count)}
            width="0.84"
            height={height(count)}
            fill={KINDS[index()]?.colour}
          />
        </Show>
      )}
    </For>
  );
}

/** The same as a table. */
function Values(props: { bars: readonly Bar[] }): JSX.Element {
  const [isOpen, setOpen] = createSignal(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class="muted">Values</summary>
      <Show when={isOpen()}>
        <div class="scrolls" tabindex="0" role="group" aria-label="Lines by time">
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                <For each={KINDS}>
                  {(kind) => (
                    <th scope="col" class="number">
                      {kind.name}
                    </th>
                  )}
                </For>
              </tr>
            </thead>
            <tbody>
              <For each={props.bars.filter((bar) => total(bar) > 0)}>
                {(bar) => (
                  <tr>
                    <td>{dateTime(bar.from)}</td>
                    <For each={bar.counts}>{(count) => <td class="number">{count}</td>}</For>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
        </div>
      </Show>
    </details>
  );
}
