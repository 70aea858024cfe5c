// Telemetry as it was stored: metrics, log lines and changes. The address says all of what is shown.

import "../../styles/explore.css";
import { createMemo, For, type JSX, Match, Show, Switch } from "solid-js";
import { query, route, setQuery } from "../../lib/route";
import { dateTime, type Millis } from "../../lib/time";
import { ChangesTab } from "./changes";
import { LogsTab } from "./logs";
import { MetricsTab } from "./metrics";
import { RangeBar } from "./range-bar";
import { addressWith, createScope, type Scope, zoom } from "./scope";
import { ServiceChoice } from "./service-choice";
import { askServices } from "./services";

const TABS: readonly { key: string; title: string }[] = [
  { key: "metrics", title: "Metrics" },
  { key: "logs", title: "Logs" },
  { key: "changes", title: "Changes" },
];

function heard(count: number, isCut: boolean): string {
  if (count === 0) return "No service was heard of in this range.";
  const heard = count === 1 ? "One service was heard of" : `${count} services were heard of`;
  return `${heard} in this range${isCut ? "; there are more, which are not listed" : ""}.`;
}

/** The way to the last that was heard, where nothing was heard in the range. */
function Newest(props: { at: Millis; scope: Scope }): JSX.Element {
  const look = () => {
    const range = props.scope.range();
    if (range) zoom(props.at - (range.isLive ? range.length : range.to - range.from), props.at + 1_000);
  };
  return (
    <span>
      {`The last before its end was heard at ${dateTime(props.at)}. `}
      <button type="button" onClick={look}>
        Look there
      </button>
    </span>
  );
}

export function Explore(): JSX.Element {
  const scope = createScope();
  const services = askServices(scope);
  const tab = createMemo(() => TABS.find((tab) => tab.key === query("tab"))?.key ?? "metrics");
  return (
    <div class="stack explore">
      <div class="row">
        <h1>Explore</h1>
        <nav aria-label="Kinds of telemetry" class="tabs">
          <For each={TABS}>
            {({ key, title }) => (
              <a
                href={addressWith({ tab: key === "metrics" ? "" : key }, route().query)}
                aria-current={tab() === key ? "page" : undefined}
              >
                {title}
              </a>
            )}
          </For>
        </nav>
      </div>
      <RangeBar scope={scope} />
      <div class="row controls">
        <ServiceChoice
          label="Service"
          none={tab() === "metrics" ? "Choose a service" : "All services"}
          value={scope.service()}
          services={services}
          choose={(service) => setQuery({ service, m: "", v: "", with: "", template: "" }, true)}
        />
        <Show when={services.error()}>
          {(error) => (
            <span class="troubled" role="alert">
              The services cannot be listed: {error()}{" "}
              <button type="button" onClick={services.again}>
                Try again
              </button>
            </span>
          )}
        </Show>
        <Show when={services.data()}>
          {(found) => (
            <span class="muted">
              {heard(found().services.length, found().isCut)}
            </span>
          )}
        </Show>
        <Show when={services.data()?.newest}>{(newest) => <Newest at={newest()} scope={scope} />}</Show>
      </div>
      <Switch>
        <Match when={scope.wrong()}>{null}</Match>
        <Match when={tab() === "metrics"}>
          <MetricsTab scope={scope} services={services} />
        </Match>
        <Match when={tab() === "logs"}>
          <LogsTab scope={scope} />
        </Match>
        <Match when={tab() === "changes"}>
          <ChangesTab scope={scope} />
        </Match>
      </Switch>
    </div>
  );
}
