// The product's clock, which a demonstration lets run faster than ours.

import { createSignal } from "solid-js";
import type { Millis } from "../lib/time";

/** Below this the two samples are too close to tell how fast it runs. */
const APART_MIN_MS = 1_500;

let anchor: { product: Millis; ours: number } | undefined;
let speed = 1;
let measuredBefore = 1;

const [now, setNow] = createSignal<Millis>(Date.now());

/** The product's time now, to the second. */
export const productNow = now;

const [isHeard, setHeard] = createSignal(false);

/** Whether the product said what time it is; until then its time is taken to be ours. */
export { isHeard };

/** Takes what a message said of the time. */
export function hear(product: Millis): void {
  const ours = performance.now();
  if (anchor && ours - anchor.ours >= APART_MIN_MS) {
    const measured = (product - anchor.product) / (ours - anchor.ours);
    // A laptop that slept, or a process that was replaced, looks once as if time flew. What is measured twice is so.
    if (Math.abs(measured / measuredBefore - 1) < 0.3) speed = Math.abs(measured - 1) < 0.2 ? 1 : measured;
    measuredBefore = measured;
    anchor = { product, ours };
  } else if (!anchor) {
    anchor = { product, ours };
  }
  tick();
  setHeard(true);
}

function tick(): void {
  if (anchor) setNow(anchor.product + (performance.now() - anchor.ours) * speed);
}

setInterval(tick, 500);
