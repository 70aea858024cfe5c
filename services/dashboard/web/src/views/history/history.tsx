// Incidents that were, and what they amount to together.

import "../../styles/explore.css";
import { createEffect, createMemo, createSignal, For, type JSX, Show } from "solid-js";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import { incidents } from "../../client/api";
import { counted } from "../../lib/format";
import { query, setQuery } from "../../lib/route";
import { Command } from "../../ui/command";
import { type Page, paged } from "../../ui/pages";
import { Paging } from "../../ui/paging";
import { Panel } from "../../ui/panel";
import { askRepairs, Outcomes } from "./outcomes";
import { commandFor, type Filters, readStates, STATES, writeStates } from "./filters";
import { Statistics } from "./statistics";
import { Table } from "./table";

const PAGE = 100;
const ROWS_MAX = 1_000;

function listIncidents() {
  const said = (): Filters => ({
    states: readStates(query("state")).states,
    service: query("service"),
    fingerprint: query("fingerprint"),
    isJudged: query("judged") === "true",
  });
  const question = createMemo(said, said(), { equals: (a, b) => JSON.stringify(a) === JSON.stringify(b) });
  const list = paged<Filters, Incident, Page<Incident>>(
    question,
    async (filters, signal, before) => {
      const found = await incidents.listIncidents(
        {
          pageSize: PAGE,
          pageToken: before?.next ?? "",
          states: [...filters.states],
          serviceName: filters.service,
          fingerprint: filters.fingerprint,
          judged: filters.isJudged,
        },
        { signal },
      );
      return { items: found.incidents, next: found.nextPageToken };
    },
    { max: ROWS_MAX },
  );
  return { question, list };
}

export function History(): JSX.Element {
  const { question, list } = listIncidents();
  const repairs = askRepairs();
  const refresh = () => {
    list.again();
    repairs.again();
  };
  const all = createMemo(() => list.items() ?? []);
  const isFiltered = () => ["state", "service", "fingerprint", "judged"].some((key) => query(key) !== "");
  const empty = () => {
    if (!list.items() || all().length > 0) return undefined;
    return isFiltered() ? "No incident matches." : "There was no incident yet.";
  };
  return (
    <div class="stack">
      <h1>History</h1>
      <Filter />
      <Panel
        title="Incidents"
        isLoading={list.isLoading()}
        error={list.error()}
        again={list.again}
        empty={empty()}
        aside={
          <button type="button" onClick={refresh}>
            Refresh
          </button>
        }
      >
        <Table incidents={all()} />
        <Paging
          list={list}
          said={`${counted(all().length, "incident")}, newest first.${list.isMore() ? " There are more." : ""}`}
          more="Load more"
          full={`More than ${ROWS_MAX} are not loaded: choose fewer states or one service.`}
        />
      </Panel>
      <Panel
        title="What they amount to"
        isLoading={list.isLoading()}
        error={list.items() ? undefined : list.error()}
        empty={empty() && "Nothing to count."}
      >
        <Statistics incidents={all()} isWhole={!list.isMore() && !list.isFull()} />
      </Panel>
      <Outcomes of={repairs} />
      <Command line={commandFor(question())} />
    </div>
  );
}

function Filter(): JSX.Element {
  const states = createMemo(() => readStates(query("state")));
  const [service, setService] = createSignal("");
  const [fingerprint, setFingerprint] = createSignal("");
  // Another part of the address must not take back what is being typed.
  const [askedService, askedFingerprint] = [createMemo(() => query("service")), createMemo(() => query("fingerprint"))];
  createEffect(() => setService(askedService()));
  createEffect(() => setFingerprint(askedFingerprint()));
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    setQuery({ service: service().trim(), fingerprint: fingerprint().trim() }, true);
  };
  return (
    <form class="row controls" role="search" aria-label="Incidents" onSubmit={find}>
      <fieldset class="states">
        <legend>States; all where none is chosen</legend>
        <For each={STATES}>
          {(state) => (
            <label>
              <input
                type="checkbox"
                checked={states().states.includes(state.value)}
                onChange={(event) => {
                  const others = states().states.filter((value) => value !== state.value);
                  setQuery({ state: writeStates(event.currentTarget.checked ? [...others, state.value] : others) }, true);
                }}
              />{" "}
              {state.name}
            </label>
          )}
        </For>
        <label>
          <input
            type="checkbox"
            checked={query("judged") === "true"}
            onChange={(event) => setQuery({ judged: event.currentTarget.checked ? "true" : "" }, true)}
          />{" "}
          only with a verdict of a person
        </label>
      </fieldset>
      <label class="field">
        Service, by its name alone
        <input value={service()} spellcheck={false} onInput={(event) => setService(event.currentTarget.value)} />
      </label>
      <label class="field">
        Fingerprint
        <input value={fingerprint()} spellcheck={false} onInput={(event) => setFingerprint(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary">
        Find
      </button>
      <button type="button" onClick={() => setQuery({ state: "", service: "", fingerprint: "", judged: "" }, true)}>
        Clear
      </button>
      <Show when={states().unknown.length}>
        <span class="troubled" role="alert">
          {`The address names what is no state: ${states().unknown.join(", ")}.`}
        </span>
      </Show>
    </form>
  );
}
