// Whether what is seen is fresh: how far detection has come, and who was not heard of lately.

import { For, type JSX, Show } from "solid-js";
import { productNow } from "../../client/clock";
import { live } from "../../client/live";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import type { ServiceHealth } from "@contracts/fleet/v1/fleet_pb";
import { ABSENT } from "../../lib/format";
import { serviceName } from "../../lib/names";
import { durationMillis, millis, span } from "../../lib/time";
import { Ago } from "../../ui/moment";
import { Panel } from "../../ui/panel";

/** Heard of later than this many of its usual intervals is late. */
const LATE_INTERVALS = 3;
const LATE_MIN_MS = 30_000;
const ROWS_MAX = 12;

/** How much later than usual a service was heard of; nothing where it is in time. */
function lateness(service: ServiceHealth, read: number): number | undefined {
  const quiet = read - (millis(service.lastHeardTime) ?? 0);
  const usual = Math.max(LATE_INTERVALS * (durationMillis(service.interval) ?? 0), LATE_MIN_MS);
  return quiet > usual ? quiet : undefined;
}

export function Sources(): JSX.Element {
  const fleet = () => live.fleet()?.fleet;
  const read = () => millis(fleet()?.readTime);
  // Once the connection is lost, what was heard says nothing of how far detection is now.
  const heardAt = () => {
    const connection = live.connection();
    return connection.state === "lost" ? connection.since : productNow();
  };
  const late = () => {
    const at = read();
    if (at === undefined) return [];
    const all = (fleet()?.services ?? []).map((service) => ({ service, quiet: lateness(service, at) }));
    return all.filter((one) => one.quiet !== undefined).sort((a, b) => (b.quiet ?? 0) - (a.quiet ?? 0));
  };
  return (
    <Panel title="Sources" isLoading={!fleet()} error={live.problems().get(Part.FLEET)}>
      <dl class="facts">
        <dt>Services heard</dt>
        <dd>{fleet()?.services.length}</dd>
        <dt>{live.connection().state === "lost" ? "Detection was behind" : "Detection is behind"}</dt>
        <dd>
          <Show when={read()} fallback={ABSENT}>
            {(read) => span(Math.max(0, heardAt() - read()))}
          </Show>
        </dd>
        <dt>Late or silent</dt>
        <dd>{late().length === 0 ? "none" : late().length}</dd>
      </dl>
      <ul class="steps">
        <For each={late().slice(0, ROWS_MAX)}>
          {({ service }) => (
            <li>
              <span class="silent">{serviceName(service.service)}</span> was heard of <Ago time={service.lastHeardTime} />
            </li>
          )}
        </For>
      </ul>
    </Panel>
  );
}
