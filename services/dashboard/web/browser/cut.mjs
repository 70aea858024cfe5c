// The connection is cut while something happens, and the page says so, and catches up once it is mended. Then nobody looks at
// it, and it gives its connection back until somebody does.

import { check, cuttable, inBrowser, say } from "./lib.mjs";

const way = await cuttable(process.env.DASHBOARD);
process.env.DASHBOARD = way.address;
await inBrowser(async (page, watched) => {
  watched.excuse(/net::ERR_/);
  await page.goto(way.address);
  await page.locator('[data-connection="live"]').waitFor();
  await page.locator(".map .node").first().waitFor();
  check((await page.locator("li[data-incident]").count()) === 0, "an incident is there before the cut");

  way.cut();
  await page.getByText("Connection lost").waitFor();
  check((await page.locator(".map .node").count()) > 0, "what was known is gone with the connection");
  await page.getByText("whether one is now is not known").waitFor();
  await page.getByText("How services are now is not known").waitFor();
  check((await page.getByText("No incident is open").count()) === 0, "that nothing is known is told as that there is nothing");
  say("the page says that it is not live");
  // Whoever started this says on our standard input when something has happened.
  say("CUT");
  await new Promise((done) => process.stdin.once("data", done));
  check((await page.locator("li[data-incident]").count()) === 0, "the cut lets something through");

  way.mend();
  await page.locator('[data-connection="live"]').waitFor();
  await page.locator("li[data-incident]").first().waitFor();
  check((await page.getByText("Connection lost").count()) === 0, "the page still says that it is not live");
  say("the page caught up");

  check(/^\(\d+\) Now/.test(await page.title()), `the title says nothing of open incidents: ${await page.title()}`);
  check((await page.locator("[data-aloud]").textContent()).startsWith("New incident of "), "nothing is said aloud");

  const isWatch = (request) => request.url().endsWith("/Watch");
  const look = (state) =>
    page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  const released = page.waitForEvent("requestfailed", { predicate: isWatch });
  await look("hidden");
  await released;
  const [asked, gone] = [page.waitForEvent("request", { predicate: isWatch }), page.waitForEvent("requestfailed", { predicate: isWatch })];
  say("a window that nobody sees gives its stream back");
  // What is shown is of then, and not told as if it were of now.
  await page.getByText("How services are now is not known").waitFor();
  await asked;
  await gone;
  say("looks for news, and gives it back again");
  await page.locator('[data-connection="connecting"]').waitFor();
  await look("visible");
  await page.locator('[data-connection="live"]').waitFor();
  await page.getByText("How services are now is not known").waitFor({ state: "detached" });
  say("and is live once somebody looks");
});
way.end();
process.exit(0);
