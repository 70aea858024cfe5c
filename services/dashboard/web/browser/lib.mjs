// A real browser with a page of the dashboard, and what must hold of every page: no error in the console, no request to
// anywhere else, nothing that axe finds.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { chromium } from "playwright-core";

/** A debug build beside other tests on two cores takes its time. */
export const WITHIN_MS = 90_000;

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Runs a story in a browser; the process fails with what was wrong. */
export async function inBrowser(tell, options = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(WITHIN_MS);
    const page = await context.newPage();
    const watched = watch(page);
    await tell(page, watched);
    watched.check();
    await context.close();
  } catch (error) {
    // What the browser tried meanwhile would fill pages.
    process.stderr.write(`${String(error?.stack ?? error).slice(0, 2_000)}\n`);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

/** Notes what a page says and asks. */
function watch(page) {
  const wrong = [];
  const excused = [];
  page.on("pageerror", (error) => wrong.push(`exception: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") wrong.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const from = new URL(request.url());
    if (from.protocol !== "data:" && from.origin !== new URL(process.env.DASHBOARD).origin) wrong.push(`asks ${request.url()}`);
  });
  return {
    /** What the browser itself says of a connection that the test cut is not the page's doing. */
    excuse: (pattern) => excused.push(pattern),
    check() {
      const left = wrong.filter((text) => !excused.some((pattern) => pattern.test(text)));
      if (left.length > 0) throw new Error(`the page is not quiet:\n${left.join("\n")}`);
    },
  };
}

/** Fails where axe finds something against WCAG 2.2 AA, in the light and in the dark. */
export async function accessible(page, what) {
  // The page's own policy lets no other code in; a debugger may.
  await page.evaluate(axeSource);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.locator(`:root[data-theme="${colorScheme}"]`).waitFor();
    await holds(page, `${what}, ${colorScheme}`);
  }
}

async function holds(page, what) {
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  const violations = found.violations.map((violation) => {
    const nodes = violation.nodes.slice(0, 3).map((node) => `  ${node.target.join(" ")}: ${node.failureSummary}`);
    return `${violation.id}: ${violation.help}\n${nodes.join("\n")}`;
  });
  if (violations.length > 0) throw new Error(`${what}: axe finds\n${violations.join("\n")}`);
  say(`${what}: ${found.passes.length} rules of axe hold`);
}

/** A picture for the README, where one is wanted. */
export async function picture(page, name) {
  const folder = process.env.LLM_SRE_SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
}

/** A way to the dashboard that can be cut and mended. Gives its address. */
export async function cuttable(target) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    cut() {
      isCut = true;
      for (const socket of open) socket.destroy();
    },
    mend() {
      isCut = false;
    },
    end() {
      this.cut();
      server.close();
    },
  };
}

export function say(text) {
  process.stdout.write(`${text}\n`);
}

export function check(holds, what) {
  if (!holds) throw new Error(what);
}
