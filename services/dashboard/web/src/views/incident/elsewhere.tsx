// The same elsewhere: the incident's trace, and the command line.

import { For, type JSX, Show } from "solid-js";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import { type Action, ActionState } from "@contracts/remediation/v1/remediation_pb";
import { hasEnded } from "../../client/live";
import { session } from "../../client/session";
import { Command } from "../../ui/command";
import { Panel } from "../../ui/panel";
import { commandsOf, traceIdOf, traceLink } from "./commands";
import { Copy } from "./copy";

export function Elsewhere(props: { incident: Incident; actions: readonly Action[] }): JSX.Element {
  const waiting = () => props.actions.find((action) => action.state === ActionState.AWAITING_APPROVAL);
  const traceId = () => traceIdOf(props.incident.name);
  const link = () => {
    const who = session();
    return traceLink(who.state === "in" ? who.traceUrl : undefined, traceId());
  };
  return (
    <>
      <Panel title="Trace">
        <div class="stack">
          <p class="row">
            <code data-trace-id>{traceId()}</code> <Copy text={traceId()} label="Copy the trace id" />
          </p>
          <Show
            when={link()}
            fallback={
              <p class="muted">
                The whole incident is one trace, with a span a step. Where traces are exported (<code>--traces</code>), look for this id in
                Jaeger's search, or open <code>/trace/{traceId()}</code> there. There is a link here once <code>dashboard.trace_url</code>{" "}
                says where that is, such as <code>{"http://127.0.0.1:16686/trace/{trace_id}"}</code>.
              </p>
            }
          >
            {(address) => (
              <p>
                <a href={address()} target="_blank" rel="noopener noreferrer" data-trace-link>
                  Open the trace in a new window
                </a>
                <span class="muted">: the whole incident, with a span a step. It is there where traces are exported.</span>
              </p>
            )}
          </Show>
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
