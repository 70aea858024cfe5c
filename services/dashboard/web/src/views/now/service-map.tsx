// Services and who calls whom, each with its rate, errors, latency and saturation; as a map or as a table.

import { createMemo, For, type JSX, Match, Show, Switch } from "solid-js";
import { live } from "../../client/live";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import { HealthState, HealthStateSchema, type ServiceHealth } from "@contracts/fleet/v1/fleet_pb";
import { SignalSchema } from "@contracts/incident/v1/incident_pb";
import { percent, rate, seconds } from "../../lib/format";
import { enumName, serviceName } from "../../lib/names";
import { query, setQuery } from "../../lib/route";
import { CLASS_OF_HEALTH, HealthBadge } from "../../ui/badges";
import { Panel } from "../../ui/panel";
import { place } from "./layout";

const NODE = { width: 178, height: 62, across: 66, down: 16 };
/** Above so many a map is a knot; the table says more. */
const MAP_MAX = 120;

interface Edge {
  from: string;
  to: string;
  perSecond: number;
}

export function ServiceMap(): JSX.Element {
  const services = () => live.fleet()?.fleet?.services ?? [];
  const isTable = () => query("services") === "table" || (query("services") !== "map" && innerWidth < 700);
  const edges = createMemo<Edge[]>(() => {
    const state = live.fleet();
    const over = state?.callsSeconds || 1;
    return (state?.calls ?? []).map((call) => ({
      from: serviceName(call.client),
      to: serviceName(call.server),
      perSecond: call.callCount / over,
    }));
  });
  return (
    <Panel
      title="Services"
      isLoading={!live.fleet()}
      error={live.problems().get(Part.FLEET) ?? live.problems().get(Part.CALLS)}
      empty={services().length === 0 ? "No service was heard of yet. Send OTLP to port 4317 (gRPC) or 4318 (HTTP)." : undefined}
      aside={
        <button type="button" onClick={() => setQuery({ services: isTable() ? "map" : "table" })}>
          {isTable() ? "As a map" : "As a table"}
        </button>
      }
    >
      <Show when={live.connection().state === "lost" || live.problems().has(Part.FLEET)}>
        <p class="waiting">How services are now is not known. Below is what was heard last.</p>
      </Show>
      <Switch>
        <Match when={isTable() || services().length > MAP_MAX}>
          <Table services={services()} />
        </Match>
        <Match when={true}>
          <Map_ services={services()} edges={edges()} />
        </Match>
      </Switch>
    </Panel>
  );
}

const link = (service: ServiceHealth) => `/explore?service=${encodeURIComponent(serviceName(service.service))}`;

/** What a service shows, in words. */
function inWords(service: ServiceHealth): string {
  const abnormal = service.abnormalSignals.map((signal) => enumName(SignalSchema, signal)).join(", ");
  return [
    `${serviceName(service.service)}: ${enumName(HealthStateSchema, service.state)}`,
    abnormal && `abnormal: ${abnormal}`,
    `${rate(service.requestsPerSecond)}, errors ${percent(service.errorRatio)}`,
    `latency ${seconds(service.latencyS)}${service.latencyDimension && ` (${service.latencyDimension})`}`,
    `fullest resource ${percent(service.saturation)}${service.saturationMetric && ` (${service.saturationMetric})`}`,
  ]
    .filter(Boolean)
    .join("; ");
}

function Map_(props: { services: readonly ServiceHealth[]; edges: readonly Edge[] }): JSX.Element {
  const ids = () => props.services.map((service) => serviceName(service.service));
  // Figures change every second; where services stand only when there are others, or other calls.
  const shape = createMemo(() => JSON.stringify([ids(), props.edges.map((edge) => [edge.from, edge.to])]));
  const places = createMemo(() => {
    const [ids, calls] = JSON.parse(shape()) as [string[], [string, string][]];
    return new Map(place(ids, calls).map((placed) => [placed.id, placed]));
  });
  const left = (id: string) => 4 + (places().get(id)?.column ?? 0) * (NODE.width + NODE.across);
  const top = (id: string) => 4 + (places().get(id)?.row ?? 0) * (NODE.height + NODE.down);
  const size = () => {
    const all = [...places().values()];
    return {
      width: 8 + (Math.max(0, ...all.map((one) => one.column)) + 1) * (NODE.width + NODE.across) - NODE.across,
      height: 8 + (Math.max(0, ...all.map((one) => one.row)) + 1) * (NODE.height + NODE.down) - NODE.down,
    };
  };
  const byId = createMemo(() => new Map(props.services.map((service) => [serviceName(service.service), service])));
  const drawn = () => props.edges.filter((edge) => places().has(edge.from) && places().has(edge.to));
  return (
    <div class="map" tabindex="0" role="group" aria-label="Map of services; each leads to its metrics">
      <svg width={size().width} height={size().height} viewBox={`0 0 ${size().width} ${size().height}`}>
        <For each={drawn()}>
          {(edge) => {
            const path = () => curve(left(edge.from), top(edge.from), left(edge.to), top(edge.to));
            const isTroubled = () => byId().get(edge.to)?.state === HealthState.TROUBLED;
            return (
              <path
                class={`edge ${isTroubled() ? "troubled" : ""}`}
                d={path()}
                stroke-width={1 + Math.min(4, Math.log10(1 + 100 * edge.perSecond))}
              >
                <title>{`${edge.from} calls ${edge.to}: ${rate(edge.perSecond)} as far as traces tell`}</title>
              </path>
            );
          }}
        </For>
        <For each={ids()}>
          {(id) => (
            <Show when={byId().get(id)}>
              {(service) => (
                // A link by itself would be one of HTML, which is not drawn here, and a class on it would be set as one of HTML.
                <g class={`node ${CLASS_OF_HEALTH[service().state]}`} data-service={id}>
                  <a href={link(service())}>
                    <rect x={left(id)} y={top(id)} width={NODE.width} height={NODE.height} rx="6" />
                    <text class="name" x={left(id) + 10} y={top(id) + 18}>
                      {short(service().service?.name ?? id)}
                    </text>
                    <text class="health" x={left(id) + NODE.width - 8} y={top(id) + 18}>
                      {service().state === HealthState.WELL ? "" : enumName(HealthStateSchema, service().state)}
                    </text>
                    <text class="figures" x={left(id) + 10} y={top(id) + 35}>
                      {`${rate(service().requestsPerSecond)}  err ${percent(service().errorRatio)}`}
                    </text>
                    <text class="figures" x={left(id) + 10} y={top(id) + 51}>
                      {`${service().latencyDimension || "lat"} ${seconds(service().latencyS)}  sat ${percent(service().saturation)}`}
                    </text>
                    <title>{inWords(service())}</title>
                  </a>
                </g>
              )}
            </Show>
          )}
        </For>
      </svg>
    </div>
  );
}

const short = (name: string) => (name.length > 17 ? `${name.slice(0, 16)}…` : name);

/** From the right side of the caller to the left side of the called; backwards around both. */
function curve(fromLeft: number, fromTop: number, toLeft: number, toTop: number): string {
  const [x1, y1] = [fromLeft + NODE.width, fromTop + NODE.height / 2];
  const [x2, y2] = [toLeft, toTop + NODE.height / 2];
  const bend = Math.max(30, Math.abs(x2 - x1) / 2);
  return `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
}

/** The worst first. */
const ORDER = [HealthState.TROUBLED, HealthState.SILENT, HealthState.UNKNOWN, HealthState.WELL];

function Table(props: { services: readonly ServiceHealth[] }): JSX.Element {
  const byId = createMemo(() => new Map(props.services.map((service) => [serviceName(service.service), service])));
  // Rows are those of names, so that a row stays where it is while its figures change.
  const sorted = createMemo(
    () => [...byId()].sort(([, a], [, b]) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)).map(([name]) => name),
  );
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Service</th>
          <th scope="col">State</th>
          <th scope="col" class="number">
            Requests
          </th>
          <th scope="col" class="number">
            Errors
          </th>
          <th scope="col" class="number">
            Latency
          </th>
          <th scope="col" class="number">
            Saturation
          </th>
        </tr>
      </thead>
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
