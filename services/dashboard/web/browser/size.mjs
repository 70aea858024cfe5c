// How soon the page can be used with much behind it, and what a chart of many points costs.

import { check, inBrowser, say } from "./lib.mjs";

const RUNS = 5;
const services = Number(process.env.SERVICES);
const most = Number(process.env.FIRST_VIEW_MS);
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Milliseconds from the navigation until the page has what is waited for, which says when that was. */
async function until(page, address, isThere, argument) {
  await page.goto(address, { waitUntil: "commit" });
  const handle = await page.waitForFunction(isThere, argument, { polling: "raf" });
  return handle.jsonValue();
}

const first = [];
for (let run = 0; run < RUNS; run++) {
  await inBrowser(async (page) => {
    const isThere = (services) =>
      document.querySelectorAll("[data-service]").length >= services &&
      document.querySelector('[data-connection="live"]') &&
      document.body.innerText.includes("No incident is open") &&
      performance.now();
    first.push(await until(page, `${process.env.DASHBOARD}/`, isThere, services));
  });
}
say(`first view: median ${median(first).toFixed(0)} ms of ${RUNS}, at most ${Math.max(...first).toFixed(0)} ms`);
check(median(first) < most, `the first view takes ${median(first)} ms`);

await inBrowser(async (page) => {
  const rows = () => document.querySelectorAll("tr[data-incident]").length >= 20 && performance.now();
  say(`history: ${(await until(page, `${process.env.DASHBOARD}/incidents`, rows)).toFixed(0)} ms`);

  let bytes = 0;
  page.on("response", async (response) => {
    if (response.url().endsWith("/QuerySeries")) bytes += (await response.body()).length;
  });
  const points = Number(process.env.POINTS);
  const [to, from] = [Date.now() + 60_000, Date.now() - (points + 600) * 1_000];
  const query = `service=${encodeURIComponent("size/service-00@test")}&m=dense.gauge&from=${from}&to=${to}`;
  const isDrawn = () => document.querySelector('[data-metric="dense.gauge"] canvas') && performance.now();
  const drawn = await until(page, `${process.env.DASHBOARD}/explore?${query}`, isDrawn);
  await page.waitForLoadState("networkidle").catch(() => {});
  say(`a chart of ${points} points: ${drawn.toFixed(0)} ms, ${bytes} bytes`);
  check(bytes > 10_000 && bytes < 400_000, `the server sent ${bytes} bytes for one chart`);
});

// A chart that is looked at gets another line, as where a process is started.
await inBrowser(async (page) => {
  const metric = "process.cpu.utilization";
  const lines = page.locator(`[data-metric="${metric}"] figcaption .key`);
  await page.goto(`${process.env.DASHBOARD}/explore?service=${encodeURIComponent("size/service-01@test")}&m=${metric}&last=1h`);
  await page.locator(`[data-metric="${metric}"] canvas`).waitFor();
  check((await lines.count()) === 0, "one line has no need of a name");
  // Whoever started this says on our standard input when the other process has said something.
  say("DRAWN");
  await new Promise((done) => process.stdin.once("data", done));
  await lines.nth(1).waitFor();
  say("another line joined a chart");
});
process.exit();
