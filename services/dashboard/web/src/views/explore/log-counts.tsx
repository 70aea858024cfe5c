// How log lines are spread over the time.

import { createMemo, createSignal, For, type JSX, Show } from "solid-js";
import { type LogRecord, LogSeverity } from "@contracts/telemetry/v1/telemetry_pb";
import { clock, dateTime, type Millis, millis } from "../../lib/time";
import { type Bar, barsOf, barsOfCounts, total } from "./counts";
import type { Column } from "../../ui/heads";
import { Values } from "../../ui/values";
import { type Counted, PARTS } from "./log-search";
import type { Window } from "./range";
import { zoom } from "./scope";

const HEIGHT = 80;
/** A drag of less than this share of the width was a click. */
const DRAG_MIN = 0.005;

const KINDS: readonly { name: string; colour: string; is: (severity: LogSeverity) => boolean }[] = [
  { name: "error or fatal", colour: "var(--troubled)", is: (severity) => severity >= LogSeverity.ERROR },
  { name: "warn", colour: "var(--waiting)", is: (severity) => severity === LogSeverity.WARN },
  { name: "less or not stated", colour: "var(--series1)", is: () => true },
];

const sum = (bars: readonly Bar[], kind: number) => bars.reduce((sum, bar) => sum + (bar.counts[kind] ?? 0), 0);

const sums = (bars: readonly Bar[]) => KINDS.map((kind, index) => `${sum(bars, index)} ${kind.name}`).join(", ");

function greatest(bars: readonly Bar[]): string {
  const most = Math.max(0, ...bars.map(total));
  const peak = bars.find((bar) => total(bar) === most);
  return peak && most > 0 ? ` At most ${most} in a part, at ${clock(peak.from)}.` : "";
}

/** All that match, as the server counted them. */
export function CountsOfAll(props: { counted: Counted }): JSX.Element {
  const bars = createMemo(() => {
    const { counts, partMs } = props.counted;
    const counted = counts.map((one) => ({ from: millis(one.startTime) ?? 0, of: one.severity, count: Number(one.count) }));
    return barsOfCounts(counted, KINDS.map((kind) => kind.is), props.counted, partMs);
  });
  const shown = () => ({ from: bars()[0]?.from ?? props.counted.from, to: bars().at(-1)?.to ?? props.counted.to });
  // Whether the last part is still going on; drawn as a whole one it would look as if there were fewer lines.
  const unknownFrom = () => (props.counted.until < shown().to ? props.counted.until : undefined);
  const words = () => `All that match are counted: ${sums(bars())}.${greatest(bars())}`;
  return (
    <Counts bars={bars()} window={shown()} unknownFrom={unknownFrom()} words={words()}>
      <Show when={unknownFrom() !== undefined}> The last part is not over; what is to come of it is hatched.</Show>
    </Counts>
  );
}

interface FetchedProps {
  lines: readonly LogRecord[];
  /** How many were fetched, of any template. */
  all: number;
  window: Window;
  /** When the oldest line is of that was fetched, whichever are shown of them; absent where nothing that matches is missing. */
  fetchedFrom: Millis | undefined;
}

const at = (line: LogRecord) => millis(line.time);

/** Those of a template, which the server does not know: of the lines that were fetched, and it is said that it is those. */
export function CountsOfFetched(props: FetchedProps): JSX.Element {
  const kinds = KINDS.map((kind) => (line: LogRecord) => kind.is(line.severity));
  const bars = createMemo(() => barsOf(props.lines, at, kinds, props.window, PARTS));
  const words = () => {
    const of = props.lines.length < props.all ? `, which are some of the ${props.all} lines fetched` : "";
    return `Of the ${props.lines.length} lines shown${of}: ${sums(bars())}.${greatest(bars())}`;
  };
  return (
    <Counts bars={bars()} window={props.window} unknownUntil={props.fetchedFrom} words={words()}>
      <Show when={props.fetchedFrom !== undefined}> There are older lines that were not fetched; their part of the time is hatched.</Show>
    </Counts>
  );
}

interface BarsProps {
  bars: readonly Bar[];
  window: Window;
  /** Before, or after this nothing was fetched or counted: what is there is not known, which is not the same as none. */
  unknownUntil?: Millis | undefined;
  unknownFrom?: Millis | undefined;
  words: string;
  children?: JSX.Element;
}

const COLUMNS: readonly Column[] = [{ title: "From" }, ...KINDS.map(({ name }) => ({ title: name, isNumber: true }))];

function Counts(props: BarsProps): JSX.Element {
  const rows = () => props.bars.filter((bar) => total(bar) > 0).map((bar) => [dateTime(bar.from), ...bar.counts.map(String)]);
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
      <Bars {...props} />
      <p class="row muted">
        <span>{dateTime(props.window.from)}</span>
        <span class="last">{dateTime(props.window.to)}</span>
      </p>
      <p class="muted">
        {props.words}
        {props.children}
      </p>
      <Values label="Lines by time" columns={COLUMNS} rows={rows} />
    </div>
  );
}

function Bars(props: BarsProps): JSX.Element {
  let place!: SVGSVGElement;
  const [drag, setDrag] = createSignal<{ from: number; to: number }>();
  const most = () => Math.max(1, ...props.bars.map(total));
  const parts = () => Math.max(1, props.bars.length);
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
  /** Where a time stands in the picture. */
  const across = (time: Millis) => (parts() * (time - props.window.from)) / (props.window.to - props.window.from);
  const known = () => ({
    from: props.unknownUntil === undefined ? 0 : Math.max(0, across(props.unknownUntil)),
    to: props.unknownFrom === undefined ? parts() : Math.min(parts(), across(props.unknownFrom)),
  });
  return (
    <svg
      ref={place}
      viewBox={`0 0 ${parts()} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.words}
      onPointerDown={begin}
      onPointerMove={(event) => setDrag((now) => now && { ...now, to: share(event) })}
      onPointerUp={end}
      onPointerCancel={() => setDrag(undefined)}
    >
      <defs>
        <pattern id="not-known" width="1" height="8" patternUnits="userSpaceOnUse">
          <rect width="1" height="3" fill="var(--grid)" />
        </pattern>
      </defs>
      <rect x="0" y="0" width={known().from} height={HEIGHT} fill="url(#not-known)" />
      <rect x={known().to} y="0" width={Math.max(0, parts() - known().to)} height={HEIGHT} fill="url(#not-known)" />
      <For each={props.bars}>{(bar, index) => <Stack bar={bar} left={index()} most={most()} />}</For>
      <Show when={drag()}>
        {(drag) => (
          <rect
            class="picked"
            x={parts() * Math.min(drag().from, drag().to)}
            y="0"
            width={parts() * Math.abs(drag().to - drag().from)}
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
