// A chart over time. What is missing is a gap, never a line and never zero.

import "uplot/dist/uPlot.min.css";
import { createEffect, createMemo, createSignal, For, type JSX, on, onCleanup, onMount, Show } from "solid-js";
import uPlot from "uplot";
import { quantity } from "../lib/format";
import { clock, dateTime, type Millis, tickTime } from "../lib/time";
import { align, type Line, summary } from "./lines";
import { type Band, drawBand, drawMarks, type Mark } from "./overlays";
import { theme } from "./theme";
import type { Column } from "./heads";
import { Values } from "./values";

interface ChartProps {
  /** What it shows, for who cannot see it. */
  label: string;
  lines: readonly Line[];
  unit: string;
  /** Whether values are shares of one. */
  isShare?: boolean;
  /** What is usual. */
  band?: Band | undefined;
  marks?: readonly Mark[];
  from: Millis;
  to: Millis;
  /** Called when the reader picks a part of the time. */
  onZoom?: (from: Millis, to: Millis) => void;
  height?: number;
}

/** The table that says the same, and how many rows it has. */
const COLUMNS: readonly Column[] = [{ title: "Time" }, { title: "Series" }, { title: "Value", isNumber: true }];
const ROWS_MAX = 200;
const COLOURS = 6;

export const colourOf = (index: number): string => `var(--series${(index % COLOURS) + 1})`;

export function Chart(props: ChartProps): JSX.Element {
  let place!: HTMLDivElement;
  let plot: uPlot | undefined;
  const data = createMemo(() => align(props.lines));
  const format = (value: number) => quantity(value, props.unit, props.isShare);
  const [at, setAt] = createSignal<string>();
  // Each series has its share, so that none is left out for another.
  const rowsOfEach = () => Math.max(1, Math.floor(ROWS_MAX / Math.max(1, props.lines.length)));
  const rows = () =>
    props.lines.flatMap((line) => line.points.slice(-rowsOfEach()).map(([time, value]) => [dateTime(time), line.label, format(value)]));
  const isCut = () => props.lines.some((line) => line.points.length > rowsOfEach());

  const style = (name: string) => getComputedStyle(place).getPropertyValue(name).trim();
  const options = (): uPlot.Options => ({
    width: Math.max(place.clientWidth, 200),
    height: props.height ?? 180,
    padding: [10, 8, 0, 0],
    cursor: { drag: { x: props.onZoom !== undefined, y: false, setScale: false }, y: false },
    scales: {
      x: { time: true, range: () => [props.from / 1000, props.to / 1000] },
      y: { range: (_, low, high) => within(low, high, props.band) },
    },
    // Names stand above, and values under the cursor beside them.
    legend: { show: false },
    axes: [{ ...axis(style), values: (_, ticks) => ticks.map((tick) => tickTime(tick * 1000, ticks)) }, { ...axis(style), size: 72, values: (_, ticks) => ticks.map((tick) => format(tick)) }],
    series: [{}, ...props.lines.map((line, index) => ({
      stroke: style(`--series${(index % COLOURS) + 1}`),
      width: 1.5,
      spanGaps: false,
      points: { show: false },
      ...(line.dash ? { dash: [...line.dash] } : {}),
    }))],
    hooks: {
      drawClear: [(chart) => props.band && drawBand(chart, props.band, style("--band"), style("--well"))],
      draw: [(chart) => drawMarks(chart, props.marks ?? [], style)],
      setCursor: [(chart) => setAt(underCursor(chart))],
      setSelect: [picked],
    },
  });
  const underCursor = (chart: uPlot) => {
    const index = chart.cursor.idx;
    const time = index == null ? undefined : chart.data[0][index];
    if (index == null || time === undefined) return undefined;
    const values = props.lines.map((line, series) => {
      const value = chart.data[series + 1]?.[index];
      return value == null ? undefined : `${line.label} ${format(value)}`;
    });
    return [clock(time * 1000), ...values.filter((text) => text !== undefined)].join(" · ");
  };
  function picked(chart: uPlot): void {
    const { left, width } = chart.select;
    if (width < 5 || !props.onZoom) return;
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    props.onZoom(chart.posToVal(left, "x") * 1000, chart.posToVal(left + width, "x") * 1000);
  }

  onMount(() => {
    const resized = new ResizeObserver(() => plot?.setSize({ width: Math.max(place.clientWidth, 200), height: props.height ?? 180 }));
    resized.observe(place);
    // A chart that is made anew loses what a reader picks in it, so that figures alone do not make it anew.
    const shape = createMemo(() => JSON.stringify([theme(), props.lines.map((line) => [line.label, line.dash])]));
    // One effect, since a chart of some lines cannot be given the data of others.
    createEffect(
      on([shape, data, () => props.from, () => props.to, () => props.band, () => props.marks], ([shape, data], before) => {
        if (plot && before?.[0] === shape) return plot.setData(data);
        plot?.destroy();
        plot = new uPlot(options(), data, place);
      }),
    );
    onCleanup(() => {
      resized.disconnect();
      plot?.destroy();
    });
  });

  return (
    <figure class="chart">
      <figcaption>
        <Show when={props.lines.length > 1}>
          <For each={props.lines}>
            {(line, index) => (
              <span class={line.dash ? "key dashed" : "key"} style={{ "--key": colourOf(index()) }}>
                {line.label}
              </span>
            )}
          </For>
        </Show>
        <span class="muted" aria-hidden="true">
          {at() ?? ""}
        </span>
      </figcaption>
      <div class="canvas" ref={place} role="img" aria-label={`${props.label}. ${summary(props.lines, format, props.band)}`} />
      <Values label="Values" columns={COLUMNS} rows={rows} note={isCut() ? `The newest ${rowsOfEach()} of each series.` : undefined} />
    </figure>
  );
}

function axis(style: (name: string) => string): uPlot.Axis {
  return {
    stroke: style("--muted"),
    grid: { stroke: style("--grid"), width: 1 },
    ticks: { stroke: style("--grid"), width: 1 },
    font: "11px system-ui, sans-serif",
  };
}

/** The least and the greatest value to show: all that was measured, and the band; from zero where that is near. */
function within(low: number | null, high: number | null, band: Band | undefined): [number, number] {
  const all = [low, high, band?.usual, band?.high].filter((value) => value != null && Number.isFinite(value)) as number[];
  if (all.length === 0) return [0, 1];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const bottom = least >= 0 && least < most * 0.6 ? 0 : least;
  const room = (most - bottom || Math.abs(most) || 1) * 0.08;
  return [bottom === 0 ? 0 : bottom - room, most + room];
}
