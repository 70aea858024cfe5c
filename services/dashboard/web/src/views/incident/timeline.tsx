// What happened, step by step, the newest last.

import { Index, type JSX, Show } from "solid-js";
import { type Incident, StateSchema, type TimelineEntry } from "@contracts/incident/v1/incident_pb";
import { enumName, lastPart, shortId } from "../../lib/names";
import { setQuery } from "../../lib/route";
import { millis, span } from "../../lib/time";
import { Moment } from "../../ui/moment";
import { Panel } from "../../ui/panel";
import { elementOf } from "./evidence";
import type { Model } from "./model";
import { onReveal } from "./reveal";
import { byWhom } from "./words";

export function Timeline(props: { model: Model; incident: Incident }): JSX.Element {
  const entries = () => props.incident.timeline;
  return (
    <div id="part-timeline" tabindex="-1">
      <Panel
        title="Timeline"
        aside={<span class="muted">from the onset on</span>}
        error={props.model.incident.error()}
        empty={entries().length === 0 ? "Nothing was written down yet." : undefined}
      >
        <ol class="timeline">
          <Index each={entries()}>
            {(entry) => (
              <li>
                <span class="offset mono">{offset(entry(), props.incident)}</span>
                <div>
                  <span class="muted">
                    <Moment time={entry().time} /> · {byWhom(entry().actor)} · {enumName(StateSchema, entry().state)}
                  </span>
                  <div>
                    {entry().message} <Named resource={entry().resource} incident={props.incident.name} />
                  </div>
                </div>
              </li>
            )}
          </Index>
        </ol>
      </Panel>
    </div>
  );
}

/** How long after the onset, as in +3m 20s. */
function offset(entry: TimelineEntry, incident: Incident): string {
  const [at, onset] = [millis(entry.time), millis(incident.onsetTime)];
  if (at === undefined || onset === undefined) return "";
  return at < onset ? `−${span(onset - at)}` : `+${span(at - onset)}`;
}

/** A link to what an entry names. */
function Named(props: { resource: string; incident: string }): JSX.Element {
  const kind = () => props.resource.split("/").at(-2);
  const id = () => lastPart(props.resource);
  const element = () => elementOf.action(props.resource);
  const toDiagnosis = (event: MouseEvent) => {
    if (!event.metaKey && !event.ctrlKey && !event.shiftKey) setQuery({ diagnosis: id() });
    onReveal("part-diagnosis")(event);
  };
  return (
    <Show when={props.resource}>
      <Show when={kind() === "actions"}>
        <a href={`#${element()}`} onClick={(event) => onReveal(element())(event)}>
          repair {shortId(props.resource)}
        </a>
      </Show>
      <Show when={kind() === "diagnoses"}>
        <a href={`?diagnosis=${id()}#part-diagnosis`} onClick={toDiagnosis}>
          diagnosis {shortId(props.resource)}
        </a>
      </Show>
      <Show when={kind() === "incidents" && props.resource !== props.incident}>
        <a href={`/${props.resource}`}>incident {shortId(props.resource)}</a>
      </Show>
    </Show>
  );
}
