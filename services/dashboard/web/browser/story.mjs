// An incident appears without a reload, is opened, its evidence followed, its repair approved, and its recovery seen.

import { accessible, check, inBrowser, picture, say } from "./lib.mjs";

await inBrowser(async (page) => {
  await page.goto(process.env.DASHBOARD);
  await page.locator('[data-connection="live"]').waitFor();
  await page.locator(".map .node").first().waitFor();
  say("the services are there");

  // Nothing is done but waiting.
  const row = page.locator("li[data-incident]").first();
  await row.waitFor();
  const name = await row.getAttribute("data-incident");
  say(`${name} appeared`);
  await accessible(page, "now");
  await picture(page, "now");
  await row.locator("a").click();
  check(page.url().endsWith(`/${name}`), `a link to ${name} led to ${page.url()}`);

  const trace = name.slice(name.lastIndexOf("/") + 1).replaceAll("-", "");
  const traceLink = page.locator("a[data-trace-link]");
  await traceLink.waitFor();
  check((await traceLink.getAttribute("href")) === `http://127.0.0.1:16686/trace/${trace}`, `the trace is at ${await traceLink.getAttribute("href")}`);
  check((await traceLink.getAttribute("rel"))?.includes("noopener"), "what is opened may reach the page");

  await page.locator("[data-hypothesis]").first().waitFor();
  await page.locator("[data-recording]").first().waitFor();
  const citation = page.locator("[data-evidence]").first();
  const evidence = await citation.getAttribute("data-evidence");
  await citation.click();
  await page.locator(`[data-open-evidence="${evidence}"]`).waitFor();
  check(new URL(page.url()).searchParams.get("evidence") === evidence, `the address does not say ${evidence}: ${page.url()}`);
  say(`evidence ${evidence} was followed`);

  const action = page.locator('[data-action][data-action-state="AWAITING_APPROVAL"]').first();
  await action.waitFor();
  await accessible(page, "an incident that waits for approval");
  await page.evaluate(() => scrollTo(0, 0));
  await picture(page, "approval");
  const said = await action.textContent();
  for (const word of ["policy asks for a person here", "rule 1: shop/*@demo, all actions"]) {
    check(said.includes(word), `whoever decides is not told: ${word}`);
  }
  // By the keyboard alone; what had the focus is gone afterwards, and the focus must not be.
  await action.getByLabel(/^note/i).focus();
  await page.keyboard.type("seen in the browser");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator(".outcome", { hasText: "Approved." }).waitFor();
  check((await page.evaluate(() => document.activeElement?.closest("[data-action]") !== null)), "the focus is lost with the form");
  await page.locator('[data-action][data-action-state="SUCCEEDED"]').first().waitFor();
  await page.locator('[data-state="RESOLVED"]').first().waitFor();
  say("recovery was seen");
  await page.evaluate(() => scrollTo(0, 0));
  await accessible(page, "an incident that has ended");
  await picture(page, "incident");

  // Whoever is given the link sees the same.
  await page.goto(`${process.env.DASHBOARD}/${name}?evidence=${encodeURIComponent(evidence)}`);
  await page.locator(`[data-open-evidence="${evidence}"]`).waitFor();

  await page.getByRole("link", { name: "History" }).click();
  await page.locator(`[data-incident="${name}"]`).waitFor();
  await accessible(page, "history");
  await picture(page, "history");

  await page.getByRole("link", { name: "Audit" }).click();
  await page.locator("[data-audit]").first().waitFor();
  check((await page.locator("[data-audit]").allTextContents()).some((text) => text.includes("approved")), "the approval is not in the record");
  await accessible(page, "audit");
  await picture(page, "audit");

  // From the map to the metrics of a service, and to its logs.
  await page.getByRole("link", { name: "Now" }).click();
  await page.locator('.map .node[data-service="shop/account@demo"] a').click();
  await page.getByRole("checkbox", { name: "process.cpu.utilization" }).check();
  await page.locator('[data-metric="process.cpu.utilization"] canvas').waitFor();
  await page.getByRole("checkbox", { name: "http.server.request.duration" }).check();
  await page.locator('[data-metric="http.server.request.duration"] canvas').waitFor();
  await accessible(page, "metrics");
  await picture(page, "explore");
  await page.getByRole("link", { name: "Logs" }).click();
  await page.locator("[data-log]").first().waitFor();
  await page.getByText(/^All that match are counted: /).waitFor();
  await accessible(page, "logs");
  await picture(page, "logs");
  await page.getByRole("link", { name: "Changes" }).click();
  // However long it took so far: an hour of the shop is a minute.
  const changes = new URL(page.url());
  changes.searchParams.set("last", "1d");
  await page.goto(changes.href);
  await page.getByRole("cell", { name: "2.9.0" }).first().waitFor();
  await accessible(page, "changes");

  // As tables, with how calls fare: what nobody measured has no figure.
  await page.goto(`${process.env.DASHBOARD}/?services=table`);
  await page.locator("tr[data-call]").first().waitFor();
  // On a busy machine detection may be behind for a moment, and nothing counts as measured.
  await page.locator("tr[data-call]", { hasText: "outside" }).filter({ hasText: /\d\/s/ }).first().waitFor();
  await page.locator("tr[data-call]", { hasNotText: "outside" }).filter({ hasText: /\d\/s.*%/ }).first().waitFor();
  await accessible(page, "services as tables");
  await picture(page, "services");
  await page.getByRole("button", { name: "As a map" }).click();
  await page.getByRole("button", { name: /^With .* outside$/ }).click();
  await page.locator(".map [data-outside]").first().waitFor();
  await page.locator(".map .edge.well").first().waitFor();
  await accessible(page, "the map with addresses outside");
  await picture(page, "map");

  // On a phone nothing but what scrolls by itself is wider than the screen.
  await page.setViewportSize({ width: 390, height: 844 });
  for (const address of ["/", `/${name}`, "/incidents", "/audit", "/explore?service=shop%2Faccount%40demo"]) {
    await page.goto(`${process.env.DASHBOARD}${address}`);
    await page.locator('[data-connection="live"]').waitFor();
    await page.locator("main .panel").first().waitFor();
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(over <= 0, `${address} is ${over} px wider than a phone`);
    await accessible(page, `${address.split("?")[0]} on a phone`);
  }
});
