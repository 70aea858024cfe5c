// A page is left open on live data, and its heap is measured after each collection of garbage.

import { heapByKind, whatGrew } from "./heap.mjs";
import { check, inBrowser, say } from "./lib.mjs";

const minutes = Number(process.env.MINUTES);
const SAMPLES_A_MINUTE = 4;
/** What a page may grow by in an hour; and in a sample, in which what is shown is still being filled. */
const [MIB, HOUR_MIB, SAMPLE_MIB] = [2 ** 20, 4, 16];
/**
 * Promises that may be more at the end than after a third of the time. Several messages come each second, so that one that
 * leaves a promise behind shows in a minute, when nobody could see it in the bytes.
 */
const PROMISES_MAX = 20;

await inBrowser(async (page) => {
  await page.goto(process.env.DASHBOARD);
  await page.locator('[data-connection="live"]').waitFor();
  await page.locator(".map .node").first().waitFor();
  const debug = await page.context().newCDPSession(page);
  const heap = [];
  const samples = minutes * SAMPLES_A_MINUTE;
  let before;
  for (let sample = 0; sample <= samples; sample++) {
    await new Promise((done) => setTimeout(done, 60_000 / SAMPLES_A_MINUTE));
    await debug.send("HeapProfiler.collectGarbage");
    const { usedSize } = await debug.send("Runtime.getHeapUsage");
    const { nodes } = await debug.send("Memory.getDOMCounters");
    heap.push({ minute: (sample + 1) / SAMPLES_A_MINUTE, mib: usedSize / MIB, nodes });
    // A snapshot costs memory of its own, all of it before the half by which growth is judged.
    if (sample === Math.floor(samples / 3)) before = await heapByKind(debug);
  }
  check((await page.locator('[data-connection="live"]').count()) === 1, "the page is not live any more");
  const second = heap.slice(Math.floor(heap.length / 2));
  const slope = theilSen(second);
  const last = heap.at(-1);
  say(`heap ${heap[0].mib.toFixed(1)} MiB at first, ${last.mib.toFixed(1)} MiB after ${minutes} min; ${last.nodes} nodes`);
  say(`in the second half ${(slope * 60).toFixed(2)} MiB an hour`);
  const after = await heapByKind(debug);
  const grown = whatGrew(before, after);
  grown.forEach(say);
  const promises = countOf(after) - countOf(before);
  check(promises <= PROMISES_MAX, `${promises} promises are left behind: ${grown.join("; ")}`);
  if (minutes >= 30) check(slope * 60 < HOUR_MIB, `the heap grows by ${slope * 60} MiB an hour`);
  else check(last.mib - heap[0].mib < SAMPLE_MIB, `the heap grew from ${heap[0].mib} to ${last.mib} MiB`);
});

/** The median slope of all pairs (Theil, 1950; Sen, 1968): one odd sample does not move it. */
function theilSen(samples) {
  const slopes = samples.flatMap((one, index) =>
    samples.slice(index + 1).map((other) => (other.mib - one.mib) / (other.minute - one.minute)),
  );
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)] ?? 0;
}

/** Promises that there are. */
function countOf(kinds) {
  return kinds.get("object Promise")?.count ?? 0;
}
