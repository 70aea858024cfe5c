// Log lines: those that match, newest first, how they are spread over the time, and which templates they follow.

import { createEffect, createMemo, createSignal, For, type JSX, Show } from "solid-js";
import { counted } from "../../lib/format";
import { query, setQuery } from "../../lib/route";
import { clock, dateTime, millis } from "../../lib/time";
import { Panel } from "../../ui/panel";
import { Paging } from "../../ui/paging";
import { CountsOfAll, CountsOfFetched } from "./log-counts";
import { LogLine } from "./log-line";
import { LogTemplates } from "./log-templates";
import { countLogs, LINES_MAX, SEVERITIES, searchLogs } from "./log-search";
import type { Scope } from "./scope";
import { byTemplate } from "./templates";

const NONE = "No log line matches in this range.";

export function LogsTab(props: { scope: Scope }): JSX.Element {
  const list = searchLogs(props.scope);
  const all = countLogs(props.scope, () => query("template") === "");
  const lines = createMemo(() => list.items() ?? []);
  const templates = createMemo(() => byTemplate(lines()));
  const template = () => query("template");
  const ofTemplate = () => templates().find((one) => one.template === template())?.lines ?? [];
  const shown = createMemo(() => (template() ? ofTemplate() : lines()));
  const empty = () => (list.items() && lines().length === 0 ? NONE : undefined);
  const isNone = () => all.data()?.counts.length === 0;
  const isWhole = () => !list.isMore() && !list.isFull();
  const aboutTime = () => {
    const oldest = millis(lines().at(-1)?.time);
    if (oldest === undefined || isWhole()) return "All that match are shown.";
    return `Older than ${clock(oldest)} none was fetched.`;
  };
  const panel = () => ({ isLoading: list.isLoading(), error: list.error(), again: list.again, empty: empty() });
  return (
    <>
      <Search />
      <Show
        when={template()}
        fallback={
          <Panel title="When" isLoading={all.isLoading()} error={all.error()} again={all.again} empty={isNone() ? NONE : undefined}>
            <Show when={all.data()}>{(all) => <CountsOfAll counted={all()} />}</Show>
          </Panel>
        }
      >
        <Panel title="When" {...panel()} error={list.items() ? undefined : list.error()}>
          <Show when={list.first()}>
            {(first) => (
              <CountsOfFetched
                lines={shown()}
                all={lines().length}
                window={first()}
                fetchedFrom={isWhole() ? undefined : millis(lines().at(-1)?.time)}
              />
            )}
          </Show>
        </Panel>
      </Show>
      <div class="columns">
        <Panel
          title="Lines"
          {...panel()}
          aside={
            <Show when={list.isLong() && props.scope.range()?.isLive}>
              <span class="waiting">not refreshed while older lines are shown</span>
              <button type="button" onClick={list.again}>
                Newest
              </button>
            </Show>
          }
        >
          <Show when={template()}>
            <p class="row">
              <span>
                {`${shown().length} of the ${lines().length} lines fetched have the template `}
                <code class="long">{template()}</code>
              </span>
              <button type="button" onClick={() => setQuery({ template: "" })}>
                All templates
              </button>
            </p>
          </Show>
          <ol class="log">
            <For each={shown()}>{(line) => <LogLine line={line} />}</For>
          </ol>
          <Paging
            list={list}
            said={`${counted(lines().length, "line")} fetched, newest first. ${aboutTime()}`}
            more="Older"
            full={`More than ${LINES_MAX} are not fetched: choose a shorter time or more words.`}
          />
        </Panel>
        <Panel title="Templates" {...panel()} error={list.items() ? undefined : list.error()}>
          <LogTemplates
            templates={templates()}
            lines={lines().length}
            chosen={template()}
            choose={(template) => setQuery({ template }, true)}
          />
        </Panel>
      </div>
      <Show when={list.first()}>
        {(first) => <p class="muted">{`Searched from ${dateTime(first().from)} until ${dateTime(first().to)}.`}</p>}
      </Show>
    </>
  );
}

function Search(): JSX.Element {
  const [words, setWords] = createSignal("");
  const [trace, setTrace] = createSignal("");
  // Another part of the address must not take back what is being typed.
  const [asked, askedTrace] = [createMemo(() => query("q")), createMemo(() => query("trace"))];
  createEffect(() => setWords(asked()));
  createEffect(() => setTrace(askedTrace()));
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    setQuery({ q: words().trim(), trace: trace().trim(), template: "" }, true);
  };
  return (
    <form class="row controls" role="search" aria-label="Log lines" onSubmit={find}>
      <label class="field wide">
        Words, all of which a line has
        <input type="search" value={words()} onInput={(event) => setWords(event.currentTarget.value)} />
      </label>
      <label class="field">
        At least as severe as
        <select onChange={(event) => setQuery({ severity: event.currentTarget.value, template: "" }, true)}>
          <option value="" selected={query("severity") === ""}>
            all
          </option>
          <For each={SEVERITIES}>
            {({ name }) => (
              <option value={name} selected={query("severity") === name}>
                {name}
              </option>
            )}
          </For>
        </select>
      </label>
      <label class="field">
        Trace
        <input value={trace()} maxlength="64" spellcheck={false} onInput={(event) => setTrace(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary">
        Search
      </button>
      <Show when={query("q") || query("trace") || query("severity")}>
        <button type="button" onClick={() => setQuery({ q: "", trace: "", severity: "", template: "" }, true)}>
          Clear
        </button>
      </Show>
    </form>
  );
}
