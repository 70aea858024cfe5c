// Metrics of a service: which there are, and charts of those that the reader chose.

import { createMemo, createSignal, For, type JSX, onMount, Show } from "solid-js";
import { serviceName } from "../../lib/names";
import { query, route, setQuery } from "../../lib/route";
import type { Asked } from "../../ui/ask";
import { Panel } from "../../ui/panel";
import { askChanges } from "./changes";
import { CHARTS_MAX, hasWords, readMetrics, readViews, suggested, writeViews } from "./choices";
import { marksOf } from "./marks";
import { MetricChart } from "./metric-chart";
import { lengthOf } from "./range";
import { addressWith, type Scope } from "./scope";
import { ServiceChoice } from "./service-choice";
import type { Services } from "./services";

/** Names shown of a service that reports more; words find the others. */
const NAMES_MAX = 200;
/** The share of the time below which two marks cannot be told apart. */
const MARKS_APART = 0.02;
const EARLIER: readonly string[] = ["1h", "6h", "1d", "7d"];

interface MetricsProps {
  scope: Scope;
  services: Asked<Services>;
}

export function MetricsTab(props: MetricsProps): JSX.Element {
  const service = () => props.scope.service();
  const known = createMemo(() => props.services.data()?.services.find((one) => serviceName(one.identity) === service()));
  const named = createMemo(() => readMetrics(route().query.getAll("m")));
  const chosen = createMemo(() => (named().length ? named() : suggested(known()?.metrics ?? [])));
  const choose = (metric: string, isWanted: boolean) => {
    const next = isWanted ? [...chosen(), metric] : chosen().filter((name) => name !== metric);
    setQuery({ m: next.join(",") });
  };
  return (
    <Show
      when={service()}
      fallback={
        <Panel title="Metrics" empty="Nothing was asked yet: choose a service to see its metrics.">
          {null}
        </Panel>
      }
    >
      <Names
        names={known()?.metrics ?? []}
        chosen={chosen()}
        isSuggested={named().length === 0}
        isUnheard={props.services.data() !== undefined && known() === undefined}
        services={props.services}
        choose={choose}
      />
      <Compare service={service()} services={props.services} />
      <Charts scope={props.scope} metrics={chosen()} />
    </Show>
  );
}

interface NamesProps {
  names: readonly string[];
  chosen: readonly string[];
  isSuggested: boolean;
  /** Whether nothing was heard of the service in the range. */
  isUnheard: boolean;
  services: Asked<Services>;
  choose: (metric: string, isWanted: boolean) => void;
}

function Names(props: NamesProps): JSX.Element {
  const [words, setWords] = createSignal("");
  // What is chosen is listed also where the service does not report it in this range, so that it can be taken away.
  const all = createMemo(() => [...props.names, ...props.chosen.filter((name) => !props.names.includes(name))]);
  const found = createMemo(() => all().filter((name) => hasWords(name, words())));
  const empty = () =>
    props.isUnheard && all().length === 0 ? "No data in this range: nothing was heard of this service." : undefined;
  return (
    <Panel
      title="Metrics of the service"
      isLoading={props.services.isLoading()}
      error={props.services.error()}
      again={props.services.again}
      empty={empty()}
      aside={<span class="muted">{`${props.chosen.length} of ${all().length} chosen`}</span>}
    >
      <div class="stack">
        <label class="field">
          Filter by words of the name
          <input type="search" value={words()} onInput={(event) => setWords(event.currentTarget.value)} />
        </label>
        <fieldset class="names">
          <legend class="spoken">Metrics to show</legend>
          <For each={found().slice(0, NAMES_MAX)}>
            {(name) => (
              <label>
                <input
                  type="checkbox"
                  checked={props.chosen.includes(name)}
                  onChange={(event) => props.choose(name, event.currentTarget.checked)}
                />{" "}
                {name}
              </label>
            )}
          </For>
        </fieldset>
        <p class="muted" role="status">
          {said(found().length, all().length, props.isSuggested && props.chosen.length > 0)}
        </p>
      </div>
    </Panel>
  );
}

function said(found: number, all: number, isSuggested: boolean): string {
  const words = [];
  if (found === 0 && all > 0) words.push("No metric has these words in its name.");
  if (found > NAMES_MAX) words.push(`${NAMES_MAX} of ${found} names are listed; filter to see others.`);
  if (isSuggested) words.push("None was chosen: those that usually tell most are shown.");
  return words.join(" ");
}

/** Another service, or an earlier time, to see beside. */
function Compare(props: { service: string; services: Asked<Services> }): JSX.Element {
  const earlier = () => (lengthOf(query("compare")) ? query("compare") : "");
  const lengths = () => (earlier() && !EARLIER.includes(earlier()) ? [...EARLIER, earlier()] : EARLIER);
  return (
    <div class="row controls" role="group" aria-label="Compare">
      <label class="field">
        Compare with the time before
        <select onChange={(event) => setQuery({ compare: event.currentTarget.value })}>
          <option value="" selected={earlier() === ""}>
            no
          </option>
          <For each={lengths()}>
            {(length) => (
              <option value={length} selected={earlier() === length}>
                {length} earlier
              </option>
            )}
          </For>
        </select>
      </label>
      <ServiceChoice
        label="Compare with another service"
        none="no"
        value={query("with")}
        services={props.services}
        without={props.service}
        choose={(service) => setQuery({ with: service })}
      />
      <Show when={earlier() || query("with")}>
        <span class="muted">What it is compared with is drawn in dashes.</span>
      </Show>
    </div>
  );
}

function Charts(props: { scope: Scope; metrics: readonly string[] }): JSX.Element {
  let place!: HTMLDivElement;
  const [width, setWidth] = createSignal<number>();
  onMount(() => setWidth(place.clientWidth));
  const changes = askChanges(props.scope);
  const marks = createMemo(() => {
    const range = props.scope.range();
    const length = range ? (range.isLive ? range.length : range.to - range.from) : 0;
    return marksOf(changes.data()?.changes ?? [], length * MARKS_APART);
  });
  const views = createMemo(() => readViews(query("v")));
  const shown = () => props.metrics.slice(0, CHARTS_MAX);
  return (
    <>
      <Show when={props.metrics.length > CHARTS_MAX}>
        <p class="notice waiting">
          {`${CHARTS_MAX} of ${props.metrics.length} chosen metrics are drawn, the first ones.`}
        </p>
      </Show>
      <p class="muted" role="status">
        <Show when={changes.error()}>{(error) => <span class="troubled">Changes cannot be marked: {error()}. </span>}</Show>
        <Show when={changes.data()?.changes.length}>
          {`Changes of the service in this range: ${changes.data()?.changes.length}, marked in the charts. `}
          <a href={addressWith({ tab: "changes" }, route().query)}>See them as a list.</a>
        </Show>
      </p>
      <div class="charts" ref={place}>
        <For each={shown()}>
          {(metric) => (
            <MetricChart
              scope={props.scope}
              metric={metric}
              view={views().get(metric)}
              choose={(view) => setQuery({ v: writeViews(views(), metric, view) })}
              other={query("with")}
              earlier={query("compare")}
              marks={marks()}
              width={width()}
            />
          )}
        </For>
      </div>
    </>
  );
}
