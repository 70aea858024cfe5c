// The record of every step of every repair and hold, newest first, and whether its entries follow from each other.

import "../../styles/explore.css";
import { createEffect, createMemo, createSignal, For, type JSX, Show } from "solid-js";
import type { AuditRecord } from "@contracts/remediation/v1/remediation_pb";
import { remediation } from "../../client/api";
import { ABSENT, counted } from "../../lib/format";
import { lastPart, shortId } from "../../lib/names";
import { query, setQuery } from "../../lib/route";
import { Moment } from "../../ui/moment";
import { type Page, paged } from "../../ui/pages";
import { Paging } from "../../ui/paging";
import { Panel } from "../../ui/panel";
import { ChainPanel } from "./chain-panel";

const PAGE = 500;
const ROWS_MAX = 5_000;
/** Characters of a hash, enough to tell records apart. */
const HASH_SHOWN = 12;

export function Audit(): JSX.Element {
  const action = createMemo(() => query("action"));
  const list = paged<string, AuditRecord, Page<AuditRecord>>(
    action,
    async (action, signal, before) => {
      const request = { pageSize: PAGE, pageToken: before?.next ?? "", action, newestFirst: true };
      const found = await remediation.listAuditRecords(request, { signal });
      return { items: found.records, next: found.nextPageToken };
    },
    { max: ROWS_MAX },
  );
  const records = createMemo(() => list.items() ?? []);
  const empty = () => {
    if (!list.items() || records().length > 0) return undefined;
    return action() ? "No entry is about this action." : "Nothing was recorded yet.";
  };
  const panel = () => ({ isLoading: list.isLoading(), again: list.again, empty: empty() });
  return (
    <div class="stack">
      <h1>Audit</h1>
      <Filter />
      <Panel title="Whether it holds together" {...panel()} error={list.items() ? undefined : list.error()}>
        <ChainPanel records={records()} action={action()} isAll={!list.isMore() && !list.isFull()} />
      </Panel>
      <Panel
        title="Entries"
        {...panel()}
        error={list.error()}
        aside={
          <button type="button" onClick={list.again}>
            Refresh
          </button>
        }
      >
        <Table records={records()} />
        <Paging
          list={list}
          said={`${counted(records().length, "entry", "entries")}, newest first.${list.isMore() ? " There are older ones." : ""}`}
          more="Load more"
          full={`More than ${ROWS_MAX} are not loaded here: llm-sre audit list has them all.`}
        />
      </Panel>
    </div>
  );
}

function Filter(): JSX.Element {
  const [action, setAction] = createSignal("");
  createEffect(() => setAction(query("action")));
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    setQuery({ action: action().trim() }, true);
  };
  return (
    <form class="row controls" role="search" aria-label="Audit record" onSubmit={find}>
      <label class="field wide">
        Only about this action, as in incidents/…/actions/…
        <input value={action()} spellcheck={false} onInput={(event) => setAction(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary">
        Find
      </button>
      <Show when={query("action")}>
        <button type="button" onClick={() => setQuery({ action: "" }, true)}>
          All entries
        </button>
      </Show>
    </form>
  );
}

const COLUMNS = ["Time", "Actor", "Step", "About", "Detail", "Hash"];

function Table(props: { records: readonly AuditRecord[] }): JSX.Element {
  return (
    <div class="scrolls" tabindex="0" role="group" aria-label="Audit record">
      <table>
        <caption class="spoken">Audit record, newest first</caption>
        <thead>
          <tr>
            <th scope="col" class="number">
              No.
            </th>
            <For each={COLUMNS}>{(column) => <th scope="col">{column}</th>}</For>
          </tr>
        </thead>
        <tbody>
          <For each={props.records}>{(record) => <Row record={record} />}</For>
        </tbody>
      </table>
    </div>
  );
}

function Row(props: { record: AuditRecord }): JSX.Element {
  return (
    <tr data-audit={String(props.record.sequence)}>
      <td class="number">{String(props.record.sequence)}</td>
      <td>
        <Moment time={props.record.time} />
      </td>
      <td class="long">{props.record.actor}</td>
      <td>{props.record.step}</td>
      <td>
        <About record={props.record} />
      </td>
      <td class="long">{props.record.detail || ABSENT}</td>
      <td class="mono" title={props.record.hash}>
        {props.record.hash.slice(0, HASH_SHOWN) || ABSENT}
      </td>
    </tr>
  );
}

function About(props: { record: AuditRecord }): JSX.Element {
  const incident = () => /^incidents\/[^/]+/.exec(props.record.action)?.[0];
  return (
    <Show when={incident()} fallback={props.record.hold || props.record.action || ABSENT}>
      {(incident) => (
        <>
          <a href={`/${incident()}`}>incident {shortId(incident())}</a>
          {", "}
          <a
            href={`/audit?action=${encodeURIComponent(props.record.action)}`}
            title={props.record.action}
            aria-label={`Entries about the action ${lastPart(props.record.action)}`}
          >
            action {shortId(props.record.action)}
          </a>
        </>
      )}
    </Show>
  );
}
