// What keeps the product from acting, in sight on every view.

import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { For, type JSX, Show } from "solid-js";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import { live } from "../client/live";
import { millis } from "../lib/time";
import { productNow } from "../client/clock";
import { Ago, Countdown, Moment } from "./moment";

export function HoldsBar(): JSX.Element {
  const stands = (hold: { startTime?: Timestamp | undefined }) => (millis(hold.startTime) ?? 0) <= productNow();
  const freezes = () => (live.holds()?.freezes ?? []).filter(stands);
  const windows = () => (live.holds()?.windows ?? []).filter(stands);
  const lacks = () => live.problems().get(Part.HOLDS) ?? live.problems().get(Part.MAINTENANCE);
  return (
    <>
      <Show when={lacks()}>
        {(why) => (
          <p class="notice waiting" data-hold="unknown">
            Whether anything is stopped, frozen or in maintenance cannot be asked: {why()}. What is shown of it is what was
            known last.
          </p>
        )}
      </Show>
      <Show when={live.holds()?.killSwitch?.engaged ? live.holds()?.killSwitch : undefined}>
        {(kill) => (
          <p class="notice lost" data-hold="kill-switch">
            <strong>The kill switch is engaged</strong>: nothing is repaired. {kill().actor}, <Ago time={kill().updateTime} />
            <Show when={kill().note}>: “{kill().note}”</Show>
          </p>
        )}
      </Show>
      <For each={freezes()}>
        {(freeze) => (
          <p class="notice waiting" data-hold="freeze">
            <strong>Freeze</strong> of {freeze.services.join(", ")} until <Moment time={freeze.endTime} /> (
            <Countdown until={freeze.endTime} />
            ), by {freeze.actor}
            <Show when={freeze.note}>: “{freeze.note}”</Show>
          </p>
        )}
      </For>
      <For each={windows()}>
        {(window) => (
          <p class="notice waiting" data-hold="maintenance">
            <strong>Maintenance</strong> of {window.services.join(", ")} until <Moment time={window.endTime} /> (
            <Countdown until={window.endTime} />
            ), by {window.actor}
            <Show when={window.note}>: “{window.note}”</Show>
          </p>
        )}
      </For>
    </>
  );
}
