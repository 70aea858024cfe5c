// What is drawn under and over the lines of a chart: the usual range, and what happened when.

import type uPlot from "uplot";
import type { Millis } from "../lib/time";

/** The usual value, and the range that is usual; a side that does not matter is absent. */
export interface Band {
  usual: number;
  low?: number | undefined;
  high?: number | undefined;
}

export interface Mark {
  at: Millis;
  /** In a word or two. */
  label: string;
  /** The name of a colour of the style sheet, such as `--troubled`. */
  colour: string;
}

const scale = () => window.devicePixelRatio || 1;

export function drawBand(chart: uPlot, band: Band, fill: string, stroke: string): void {
  const { ctx, bbox } = chart;
  const position = (value: number | undefined, otherwise: number) =>
    value === undefined ? otherwise : Math.min(Math.max(chart.valToPos(value, "y", true), bbox.top), bbox.top + bbox.height);
  const [top, bottom] = [position(band.high, bbox.top), position(band.low, bbox.top + bbox.height)];
  ctx.save();
  ctx.fillStyle = fill;
  ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  ctx.strokeStyle = stroke;
  ctx.setLineDash([4 * scale(), 4 * scale()]);
  ctx.lineWidth = scale();
  const usual = position(band.usual, bottom);
  ctx.beginPath();
  ctx.moveTo(bbox.left, usual);
  ctx.lineTo(bbox.left + bbox.width, usual);
  ctx.stroke();
  ctx.restore();
}

export function drawMarks(chart: uPlot, marks: readonly Mark[], style: (name: string) => string): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.font = `${11 * scale()}px system-ui, sans-serif`;
  ctx.lineWidth = 1.5 * scale();
  // A line in dashes leaves them behind.
  ctx.setLineDash([]);
  marks.forEach((mark, index) => {
    const left = chart.valToPos(mark.at / 1000, "x", true);
    if (left < bbox.left || left > bbox.left + bbox.width) return;
    ctx.strokeStyle = ctx.fillStyle = style(mark.colour);
    ctx.beginPath();
    ctx.moveTo(left, bbox.top);
    ctx.lineTo(left, bbox.top + bbox.height);
    ctx.stroke();
    // Marks of one moment stand one under the other.
    const width = ctx.measureText(mark.label).width;
    const fits = left + width + 6 * scale() < bbox.left + bbox.width;
    ctx.textAlign = fits ? "left" : "right";
    ctx.fillText(mark.label, left + (fits ? 4 : -4) * scale(), bbox.top + (11 + 13 * (index % 4)) * scale());
  });
  ctx.restore();
}
