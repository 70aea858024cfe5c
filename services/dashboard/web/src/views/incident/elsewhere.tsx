// The same elsewhere: the incident's trace, and the command line.

import { For, type JSX } from "solid-js";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import { type Action, ActionState } from "@contracts/remediation/v1/remediation_pb";
import { hasEnded } from "../../client/live";
import { Command } from "../../ui/command";
import { Panel } from "../../ui/panel";
import { commandsOf, traceIdOf } from "./commands";
import { Copy } from "./copy";

export function Elsewhere(props: { incident: Incident; actions: readonly Action[] }): JSX.Element {
  const waiting = () => props.actions.find((action) => action.state === ActionState.AWAITING_APPROVAL);
  return (
    <>
      <Panel title="Trace">
        <div class="stack">
          <p class="row">
            <code data-trace-id>{traceIdOf(props.incident.name)}</code> <Copy text={traceIdOf(props.incident.name)} label="Copy the trace id" />
          </p>
          <p class="muted">
            The whole incident is one trace, with a span a step. Where traces are exported (<code>--traces</code>), look for this id in
            Jaeger's search, or open <code>/trace/{traceIdOf(props.incident.name)}</code> there.
          </p>
        </div>
      </Panel>
      <Panel title="On the command line">
        <div class="stack">
          <For each={commandsOf(props.incident.name, hasEnded(props.incident), waiting())}>{(line) => <Command line={line} />}</For>
        </div>
      </Panel>
    </>
  );
}
