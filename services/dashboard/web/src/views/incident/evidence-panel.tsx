// Every fact of the diagnosis that is looked at, in order of time; one of them open.

import { For, type JSX, Show } from "solid-js";
import type { Evidence } from "@contracts/diagnosis/v1/diagnosis_pb";
import { Moment } from "../../ui/moment";
import { Panel } from "../../ui/panel";
import { anomalyOf, type Around, elementOf, shownOf, traceHref } from "./evidence";
import { Copy } from "./copy";
import type { Model } from "./model";
import { onReveal } from "./reveal";
import type { ShownParts } from "./shown";

export function EvidencePanel(props: { model: Model; shown: ShownParts }): JSX.Element {
  const facts = () => props.shown.diagnosis()?.evidence ?? [];
  return (
    <Panel
      title="Evidence"
      aside={<span class="muted">{facts().length || ""}</span>}
      isLoading={props.model.diagnoses.isLoading()}
      error={props.model.diagnoses.error()}
      empty={facts().length === 0 ? "No evidence is cited yet." : undefined}
    >
      <ol class="evidence">
        <For each={facts().map((one) => one.id)}>
          {(id) => <Show when={props.shown.evidence(id)}>{(one) => <Row evidence={one()} shown={props.shown} />}</Show>}
        </For>
      </ol>
    </Panel>
  );
}

function Row(props: { evidence: Evidence; shown: ShownParts }): JSX.Element {
  const isOpen = () => props.shown.isOpen(props.evidence.id);
  return (
    <li id={elementOf.evidence(props.evidence.id)} tabindex="-1" classList={{ cited: isOpen() }}>
      <button
        type="button"
        class="fact"
        aria-expanded={isOpen()}
        data-evidence-row={props.evidence.id}
        onClick={() => props.shown.toggle(props.evidence.id)}
      >
        <span class="muted">
          <code>{props.evidence.id.slice(0, 8)}</code> <Moment time={props.evidence.time} />
        </span>{" "}
        {props.evidence.summary}
      </button>
      <Show when={isOpen() && props.shown.around()}>{(around) => <Opened evidence={props.evidence} around={around()} shown={props.shown} />}</Show>
    </li>
  );
}

function Opened(props: { evidence: Evidence; around: Around; shown: ShownParts }): JSX.Element {
  const shown = () => shownOf(props.evidence, props.around);
  const chart = () => {
    const anomaly = anomalyOf(props.evidence);
    return anomaly && props.shown.hasChart(anomaly.id) ? elementOf.signal(anomaly.id) : undefined;
  };
  return (
    <div class="opened stack" data-open-evidence={props.evidence.id}>
      <p class="muted">
        {shown().kind} · <code>{props.evidence.id}</code>
      </p>
      <dl class="facts">
        <For each={shown().rows}>
          {([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </>
          )}
        </For>
      </dl>
      <For each={shown().lines}>
        {(line) => (
          <div class="exemplar">
            <pre tabindex="0" role="group" aria-label="Log line">
              {line.text}
            </pre>
            <Show when={line.traceId}>
              <TraceId id={line.traceId} around={props.around} />
            </Show>
          </div>
        )}
      </For>
      <div class="row">
        <Show when={chart()}>
          {(chart) => (
            <a href={`#${chart()}`} onClick={(event) => onReveal(chart())(event)}>
              Its chart
            </a>
          )}
        </Show>
        <For each={shown().links}>{(link) => <a href={link.href} onClick={(event) => onOwn(link.href, event)}>{link.label}</a>}</For>
        <a href="#part-diagnosis" onClick={onReveal("part-diagnosis")}>
          Back to the cause
        </a>
      </div>
    </div>
  );
}

function TraceId(props: { id: string; around: Around }): JSX.Element {
  return (
    <p class="row">
      <span class="muted">Trace</span>
      <code>{props.id}</code>
      <Copy text={props.id} label="Copy the trace id" />
      <a href={traceHref(props.id, props.around)}>Logs of this trace</a>
    </p>
  );
}

/** A link to another part of the same incident shows that part, and closes nothing. */
function onOwn(href: string, event: MouseEvent): void {
  const [path, id] = href.split("#");
  if (path === location.pathname && id) onReveal(decodeURIComponent(id))(event);
}
