// Deployments, flag switches and other changes in a range, newest first.

import { createMemo, type JSX, Show } from "solid-js";
import { type Change, ChangeKindSchema } from "@contracts/telemetry/v1/telemetry_pb";
import { telemetry } from "../../client/api";
import { ABSENT } from "../../lib/format";
import { enumName, parseService, serviceName } from "../../lib/names";
import { millis } from "../../lib/time";
import { route } from "../../lib/route";
import { type Asked, ask } from "../../ui/ask";
import { Keyed } from "../../ui/keyed";
import { Moment } from "../../ui/moment";
import { Panel } from "../../ui/panel";
import { addressWith, isSame, refreshOf, type Scope, windowNow } from "./scope";
import { wireRange } from "./services";

const ROWS_MAX = 500;

export interface Changes {
  changes: readonly Change[];
  isCut: boolean;
}

/** Changes of the service that is looked at, or of all. */
export function askChanges(scope: Scope): Asked<Changes> {
  const question = createMemo(() => {
    const range = scope.range();
    return range && { range, service: scope.service() };
  }, undefined, { equals: isSame });
  return ask(
    question,
    async ({ range, service }, signal) => {
      const of = service ? { service: parseService(service) } : {};
      const request = { range: wireRange(windowNow(range)), pageSize: ROWS_MAX, ...of };
      const found = await telemetry.listChanges(request, { signal });
      return { changes: found.changes, isCut: found.truncated };
    },
    { everyMs: () => refreshOf(scope.range()) },
  );
}

const kindOf = (change: Change): string => enumName(ChangeKindSchema, change.kind);

const keyOf = (change: Change): string =>
  [millis(change.time), serviceName(change.service), change.kind, change.subject, change.before, change.after].join("\n");

export function ChangesTab(props: { scope: Scope }): JSX.Element {
  const asked = askChanges(props.scope);
  const changes = () => asked.data()?.changes ?? [];
  const empty = () => {
    const of = props.scope.service() ? ` of ${props.scope.service()}` : "";
    return asked.data() && changes().length === 0 ? `No change${of} was reported in this range.` : undefined;
  };
  const count = () => {
    const answer = asked.data();
    return answer && `${answer.changes.length}${answer.isCut ? ", the newest; there are more" : ""}`;
  };
  return (
    <Panel
      title="Changes"
      isLoading={asked.isLoading()}
      error={asked.error()}
      again={asked.again}
      empty={empty()}
      aside={<span class="muted">{count()}</span>}
    >
      <div class="scrolls" tabindex="0" role="group" aria-label="Changes">
        <table>
          <caption class="spoken">Changes, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Service</th>
              <th scope="col">Kind</th>
              <th scope="col">Subject</th>
              <th scope="col">Before → after</th>
              <th scope="col">Description</th>
            </tr>
          </thead>
          <tbody>
            <Keyed each={changes()} by={keyOf}>
              {(change) => <Row change={change()} />}
            </Keyed>
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Row(props: { change: Change }): JSX.Element {
  const service = () => serviceName(props.change.service);
  return (
    <tr data-change={kindOf(props.change)}>
      <td>
        <Moment time={props.change.time} />
      </td>
      <td>
        <a href={addressWith({ tab: "", service: service(), m: "", v: "", with: "" }, route().query)}>{service()}</a>
      </td>
      <td>{kindOf(props.change)}</td>
      <td class="long">{props.change.subject || ABSENT}</td>
      <td class="long mono">
        <Show when={props.change.before || props.change.after} fallback={ABSENT}>
          {props.change.before || ABSENT} → {props.change.after || ABSENT}
        </Show>
      </td>
      <td class="long">{props.change.description || ABSENT}</td>
    </tr>
  );
}
