// Who signs in as a viewer sees all, is offered nothing to decide, and is refused where they try all the same.

import { accessible, check, inBrowser, picture, say } from "./lib.mjs";

await inBrowser(async (page, watched) => {
  // What a browser says of an answer that refuses.
  watched.excuse(/status of 40[13]/);
  await page.goto(process.env.DASHBOARD);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await accessible(page, "sign-in");
  await picture(page, "sign-in");
  await page.getByLabel("Token", { exact: true }).fill("llmsre_of-nobody");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("not known here").waitFor();
  check((await page.locator("[data-service]").count()) === 0, "something is shown without a token");
  await page.getByLabel("Token", { exact: true }).fill(process.env.TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator('[data-who="viewer"]').waitFor();
  check((await page.evaluate(() => document.cookie)) === "", "a script can read the token");
  await page.locator('[data-connection="live"]').waitFor();
  check((await page.getByRole("button", { name: /repairs/ }).count()) === 0, "a viewer is offered the kill switch");

  const row = page.locator("li[data-incident]").first();
  await row.waitFor();
  await row.locator("a").click();
  const action = page.locator('[data-action][data-action-state="AWAITING_APPROVAL"]').first();
  await action.waitFor();
  await action.locator('[data-role="viewer"]').waitFor();
  check((await page.getByRole("button", { name: /^(approve|reject|cancel|roll back|resolve|acknowledge|i take|say)/i }).count()) === 0, "a viewer is offered a decision");
  await accessible(page, "an incident as a viewer sees it");

  // Whoever asks without the page is refused by the server.
  const refused = await page.evaluate(async () => {
    const answer = await fetch("/llmsre.remediation.v1.RemediationService/SetKillSwitch", {
      method: "POST",
      headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
      body: new Uint8Array([0, 0, 0, 0, 2, 8, 1]),
    });
    const body = new TextDecoder().decode(await answer.arrayBuffer());
    return answer.headers.get("grpc-status") ?? /grpc-status: ?(\d+)/.exec(body)?.[1];
  });
  check(refused === "7", `the kill switch of a viewer: ${refused}`);
  say("a viewer is refused");

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});
