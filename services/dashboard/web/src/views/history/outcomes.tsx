// What became of repairs, across all incidents.

import { createMemo, For, type JSX } from "solid-js";
import { type Action, ActionState, ActionStateSchema } from "@contracts/remediation/v1/remediation_pb";
import { remediation } from "../../client/api";
import { counted } from "../../lib/format";
import { enumName } from "../../lib/names";
import { type Asked, ask } from "../../ui/ask";
import { Panel } from "../../ui/panel";
import { countBy } from "./measures";

const ACTIONS_MAX = 500;

interface Repairs {
  actions: readonly Action[];
  isCut: boolean;
}

/** Repairs of all incidents. */
export function askRepairs(): Asked<Repairs> {
  return ask(
    () => "incidents/-",
    async (parent, signal) => {
      const found = await remediation.listActions({ parent, pageSize: ACTIONS_MAX }, { signal });
      return { actions: found.actions, isCut: found.nextPageToken !== "" };
    },
  );
}

export function Outcomes(props: { of: Asked<Repairs> }): JSX.Element {
  const asked = props.of;
  const actions = () => asked.data()?.actions ?? [];
  return (
    <Panel
      title="What became of repairs"
      isLoading={asked.isLoading()}
      error={asked.error()}
      again={asked.again}
      empty={asked.data() && actions().length === 0 ? "No repair was planned yet." : undefined}
    >
      <p class="muted">
        {`Over ${asked.data()?.isCut ? "the newest" : "all"} ${counted(actions().length, "action")} of all incidents, `}
        whatever is chosen above.
      </p>
      <Outcome actions={actions()} />
    </Panel>
  );
}

const typeOf = (action: Action): string => action.spec?.type || "unknown";

function Outcome(props: { actions: readonly Action[] }): JSX.Element {
  const states = createMemo(() => [...countBy(props.actions, (action) => action.state)]);
  const types = createMemo(() => [...countBy(props.actions, typeOf).keys()]);
  const count = (type: string, state: ActionState) =>
    props.actions.filter((action) => typeOf(action) === type && action.state === state).length;
  return (
    <div class="scrolls" tabindex="0" role="group" aria-label="Repairs by type and state">
      <table>
        <caption class="spoken">Repairs by type and state</caption>
        <thead>
          <tr>
            <th scope="col">Type</th>
            <For each={states()}>
              {([state]) => (
                <th scope="col" class="number">
                  {enumName(ActionStateSchema, state)}
                </th>
              )}
            </For>
            <th scope="col" class="number">
              all
            </th>
          </tr>
        </thead>
        <tbody>
          <For each={types()}>
            {(type) => (
              <tr>
                <th scope="row">{type}</th>
                <For each={states()}>{([state]) => <td class="number">{count(type, state)}</td>}</For>
                <td class="number">{props.actions.filter((action) => typeOf(action) === type).length}</td>
              </tr>
            )}
          </For>
          <tr>
            <th scope="row">all</th>
            <For each={states()}>{([, count]) => <td class="number">{count}</td>}</For>
            <td class="number">{props.actions.length}</td>
          </tr>
        </tbody>
      </table>
    </div>
  );
}
