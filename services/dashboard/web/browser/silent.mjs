// A service falls silent: it is shown as silent, and its numbers as missing, never as zero.

import { accessible, check, inBrowser, picture, say } from "./lib.mjs";

const service = process.env.SERVICE;

await inBrowser(async (page) => {
  await page.goto(`${process.env.DASHBOARD}/?services=table`);
  const row = page.locator("tr", { hasText: service }).first();
  await row.getByText("well").waitFor();
  check(!/–/.test(await row.locator("td").nth(2).innerText()), "a service that speaks has no rate");
  say("HEARD");
  await row.getByText("silent").waitFor();
  // What was measured last fades away; it does not become zero.
  await row.locator("td").nth(2).getByText("–").waitFor();
  check((await row.locator("td").nth(3).innerText()).trim() === "–", `errors of a silent service: ${await row.innerText()}`);
  await page.getByText(/was heard of/).first().waitFor();
  await accessible(page, "now, as a table, with a silent service");
  await picture(page, "silent");
  say("it is shown as missing");
});
