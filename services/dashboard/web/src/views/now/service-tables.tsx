// The map as tables: services, and the calls between them.

import { createMemo, For, type JSX, Show } from "solid-js";
import { HealthState, type ServiceHealth } from "@contracts/fleet/v1/fleet_pb";
import { SignalSchema } from "@contracts/incident/v1/incident_pb";
import { counted, percent, rate, seconds } from "../../lib/format";
import { enumName, serviceName } from "../../lib/names";
import { HealthBadge } from "../../ui/badges";
import { type Column, Heads } from "../../ui/heads";
import { type Edge, fareOf, keyOf, worstFirst } from "./edges";

/** The worst first. */
const ORDER = [HealthState.TROUBLED, HealthState.SILENT, HealthState.UNKNOWN, HealthState.WELL];
/** Rows of calls at once; the worst are among them. */
const CALLS_MAX = 200;

export const link = (service: ServiceHealth) => `/explore?service=${encodeURIComponent(serviceName(service.service))}`;

const SERVICE_COLUMNS: readonly Column[] = [
  { title: "Service" },
  { title: "State" },
  { title: "Requests", isNumber: true },
  { title: "Errors", isNumber: true },
  { title: "Latency", isNumber: true },
  { title: "Saturation", isNumber: true },
];

const CALL_COLUMNS: readonly Column[] = [
  { title: "Caller" },
  { title: "Called" },
  { title: "Requests", isNumber: true },
  { title: "Errors", isNumber: true },
  { title: "Latency", isNumber: true },
  { title: "In traces", isNumber: true },
];

export function ServiceTable(props: { services: readonly ServiceHealth[] }): JSX.Element {
  const byId = createMemo(() => new Map(props.services.map((service) => [serviceName(service.service), service])));
  // Rows are those of names, so that a row stays where it is while its figures change.
  const sorted = createMemo(
    () => [...byId()].sort(([, a], [, b]) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)).map(([name]) => name),
  );
  return (
    <table>
      <Heads columns={SERVICE_COLUMNS} />
      <tbody>
        <For each={sorted()}>
          {(name) => (
            <Show when={byId().get(name)}>
              {(service) => (
                <tr data-service={name}>
                  <td>
                    <a href={link(service())}>{name}</a>
                  </td>
                  <td>
                    <HealthBadge state={service().state} />{" "}
                    <span class="muted">{service().abnormalSignals.map((signal) => enumName(SignalSchema, signal)).join(", ")}</span>
                  </td>
                  <td class="number">{rate(service().requestsPerSecond)}</td>
                  <td class="number">{percent(service().errorRatio)}</td>
                  <td class="number">{seconds(service().latencyS)}</td>
                  <td class="number">{percent(service().saturation)}</td>
                </tr>
              )}
            </Show>
          )}
        </For>
      </tbody>
    </table>
  );
}

export function CallTable(props: { edges: readonly Edge[]; isTruncated: boolean }): JSX.Element {
  const byKey = createMemo(() => new Map(props.edges.map((edge) => [keyOf(edge), edge])));
  const keys = createMemo(() => worstFirst(props.edges).slice(0, CALLS_MAX).map(keyOf));
  const left = () => props.edges.length - keys().length;
  return (
    <Show when={props.edges.length > 0}>
      <table>
        <caption>Calls, as their callers measure them</caption>
        <Heads columns={CALL_COLUMNS} />
        <tbody>
          <For each={keys()}>
            {(key) => (
              <Show when={byKey().get(key)}>
                {(edge) => (
                  <tr data-call={key}>
                    <td>{edge().from}</td>
                    <td>
                      {edge().to} <Show when={edge().isOutside}>{<span class="muted">outside</span>}</Show>
                    </td>
                    <Show
                      when={fareOf(edge()) !== "unmeasured"}
                      fallback={
                        <td colspan="3" class="number muted">
                          not measured
                        </td>
                      }
                    >
                      <td class="number">{rate(edge().perSecond)}</td>
                      <td class="number">{percent(edge().errorRatio)}</td>
                      <td class="number">{seconds(edge().latencyS)}</td>
                    </Show>
                    <td class="number">{rate(edge().tracedPerSecond)}</td>
                  </tr>
                )}
              </Show>
            )}
          </For>
        </tbody>
      </table>
      <Show when={left() > 0}>
        <p class="muted">{`${counted(left(), "call is", "calls are")} left out, of which less fails, or nobody measured how many do.`}</p>
      </Show>
      <Show when={props.isTruncated}>
        <p class="muted">There are more calls than are told.</p>
      </Show>
    </Show>
  );
}
