// One log line, as text and nothing but text; opened, with all that came with it.

import { createSignal, For, type JSX, Show } from "solid-js";
import { type LogRecord, LogSeverity } from "@contracts/telemetry/v1/telemetry_pb";
import { serviceName } from "../../lib/names";
import { route } from "../../lib/route";
import { dateTime, millis } from "../../lib/time";
import { Moment } from "../../ui/moment";
import { severityName } from "./log-search";
import { addressWith } from "./scope";

/** Of longer lines the beginning is shown until they are opened. */
const BODY_MAX = 600;

const classOf = (line: LogRecord): string =>
  line.severity >= LogSeverity.ERROR ? "troubled" : line.severity === LogSeverity.WARN ? "waiting" : "muted";

export function LogLine(props: { line: LogRecord }): JSX.Element {
  const [isOpen, setOpen] = createSignal(false);
  const text = () => {
    const { body, eventName } = props.line;
    return body.length > BODY_MAX && !isOpen() ? `${body.slice(0, BODY_MAX)}…` : body || eventName || "(no text)";
  };
  return (
    <li data-log={severityName(props.line)}>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span class="muted">
            <Moment time={props.line.time} />
          </span>{" "}
          <span class={classOf(props.line)}>{severityName(props.line)}</span>{" "}
          <span class="muted">{serviceName(props.line.service)}</span>{" "}
          <code>{text()}</code>
        </summary>
        <Show when={isOpen()}>
          <Facts line={props.line} />
        </Show>
      </details>
    </li>
  );
}

function Facts(props: { line: LogRecord }): JSX.Element {
  const facts = () => {
    const { line } = props;
    const at = millis(line.time);
    const own: [string, string][] = [
      ["time", at === undefined ? "" : `${dateTime(at)} (${new Date(at).toISOString()})`],
      ["service", serviceName(line.service)],
      ["instance", line.origin?.instance ?? ""],
      ["version", line.origin?.version ?? ""],
      ["event", line.eventName],
      ["span", line.spanId],
    ];
    const sent = Object.entries(line.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
    return [...own.filter(([, value]) => value !== ""), ...sent];
  };
  // A trace passes through many services, and what it met has other words.
  const ofTrace = () => {
    const others = { q: "", service: "", severity: "", template: "" };
    return addressWith({ ...others, trace: props.line.traceId }, route().query);
  };
  return (
    <dl class="facts">
      <Show when={props.line.traceId}>
        <dt>trace</dt>
        <dd>
          <a href={ofTrace()}>{props.line.traceId}</a>
        </dd>
      </Show>
      <For each={facts()}>
        {([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd class="mono">{value}</dd>
          </>
        )}
      </For>
    </dl>
  );
}
