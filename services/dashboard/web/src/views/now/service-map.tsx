// Services and who calls whom, each with its rate, errors, latency and saturation; as a map or as tables.

import { createMemo, For, type JSX, Match, Show, Switch } from "solid-js";
import { isKnown, live } from "../../client/live";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import { HealthState, HealthStateSchema, type ServiceHealth } from "@contracts/fleet/v1/fleet_pb";
import { SignalSchema } from "@contracts/incident/v1/incident_pb";
import { counted, percent, rate, seconds } from "../../lib/format";
import { enumName, serviceName } from "../../lib/names";
import { query, setQuery } from "../../lib/route";
import { CLASS_OF_HEALTH } from "../../ui/badges";
import { Panel } from "../../ui/panel";
import { EdgeFigures, EdgeLines, Legend } from "./edge-lines";
import { type Edge, edgesOf, endOf, isFailing, outsideId, worstFirst } from "./edges";
import { place } from "./layout";
import { type Line, lineOf } from "./lines";
import { CallTable, link, ServiceTable } from "./service-tables";

const NODE = { width: 178, height: 62, across: 66, down: 16 };
/** The middle between two rows, from the middle of the upper one. */
const BELOW = (NODE.height + NODE.down) / 2;
/** Above so many a map is a knot; the tables say more. */
const MAP_MAX = 120;

export function ServiceMap(): JSX.Element {
  const services = () => live.fleet()?.fleet?.services ?? [];
  const isTable = () => query("services") === "table" || (query("services") !== "map" && innerWidth < 700);
  const edges = createMemo<Edge[]>(() => edgesOf(live.fleet()));
  const isTruncated = () => Boolean(live.fleet()?.fleet?.callsTruncated || live.fleet()?.callsTruncated);
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
      <Show when={!isKnown(Part.FLEET)}>
        <p class="waiting">How services are now is not known. Below is what was heard last.</p>
      </Show>
      <Switch>
        <Match when={isTable() || services().length > MAP_MAX}>
          <div class="stack">
            <ServiceTable services={services()} />
            <CallTable edges={edges()} isTruncated={isTruncated()} />
          </div>
        </Match>
        <Match when={true}>
          <Map_ services={services()} edges={edges()} isTruncated={isTruncated()} />
        </Match>
      </Switch>
    </Panel>
  );
}

/** What a service shows, in words. */
function serviceInWords(service: ServiceHealth): string {
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

/** The upper left corner of a node. */
interface Corner {
  left: number;
  top: number;
}

function Map_(props: { services: readonly ServiceHealth[]; edges: readonly Edge[]; isTruncated: boolean }): JSX.Element {
  const byId = createMemo(() => new Map(props.services.map((service) => [serviceName(service.service), service])));
  /** Addresses outside. There may be as many as services, among which these would be lost, so that they are asked for. */
  const addresses = createMemo(() => [...new Set(props.edges.filter((edge) => edge.isOutside).map((edge) => edge.to))]);
  const isRoomy = () => props.services.length + addresses().length <= MAP_MAX;
  const isShown = () => query("outside") === "shown" && isRoomy();
  const outside = createMemo(() => new Map((isShown() ? addresses() : []).map((address) => [outsideId(address), address])));
  // Figures change every second; where services stand only when there are others, or other calls.
  const shape = createMemo(() =>
    JSON.stringify([[...byId().keys(), ...outside().keys()], props.edges.map((edge) => [edge.from, endOf(edge)]).sort()]),
  );
  const ids = createMemo(() => (JSON.parse(shape()) as [string[]])[0]);
  const corners = createMemo(() => {
    const [ids, calls] = JSON.parse(shape()) as [string[], [string, string][]];
    const corner = (column: number, row: number): Corner => ({
      left: 4 + column * (NODE.width + NODE.across),
      top: 4 + row * (NODE.height + NODE.down),
    });
    return new Map(place(ids, calls).map((placed) => [placed.id, corner(placed.column, placed.row)]));
  });
  const at = (id: string): Corner => corners().get(id) ?? { left: 4, top: 4 };
  const size = () => {
    const all = [...corners().values()];
    return {
      width: 4 + NODE.width + Math.max(4, ...all.map((one) => one.left)),
      height: 4 + NODE.height + NODE.down + Math.max(4, ...all.map((one) => one.top)),
    };
  };
  const isDrawn = (edge: Edge) => corners().has(edge.from) && corners().has(endOf(edge));
  const drawn = createMemo(() => props.edges.filter(isDrawn));
  const hidden = createMemo(() => props.edges.filter((edge) => !isDrawn(edge)));
  const line = (edge: Edge): Line => {
    const [caller, called] = [at(edge.from), at(endOf(edge))];
    const from = { x: caller.left + NODE.width, y: caller.top + NODE.height / 2 };
    return lineOf(from, { x: called.left, y: called.top + NODE.height / 2 }, { across: NODE.across, below: BELOW });
  };
  return (
    <div class="stack">
      <div class="map" tabindex="0" role="group" aria-label="Map of services; each leads to its metrics">
        <svg width={size().width} height={size().height} viewBox={`0 0 ${size().width} ${size().height}`}>
          <EdgeLines
            edges={drawn()}
            lineOf={line}
            isTroubled={(edge) => !edge.isOutside && byId().get(edge.to)?.state === HealthState.TROUBLED}
          />
          <For each={ids()}>
            {(id) => (
              <Show when={byId().get(id)} fallback={<Outside address={outside().get(id) ?? id} at={at(id)} />}>
                {(service) => <Node id={id} service={service()} at={at(id)} />}
              </Show>
            )}
          </For>
          <EdgeFigures edges={drawn()} lineOf={line} />
        </svg>
      </div>
      <NotDrawn edges={hidden()} isTruncated={props.isTruncated} />
      <Legend />
      <Show when={addresses().length > 0}>
        <Show
          when={isRoomy()}
          fallback={<p class="muted">{`${counted(addresses().length, "address", "addresses")} outside would not fit on the map; the table has them.`}</p>}
        >
          <p>
            <button type="button" onClick={() => setQuery({ outside: isShown() ? "" : "shown" })}>
              {isShown() ? "Without addresses outside" : `With ${counted(addresses().length, "address", "addresses")} outside`}
            </button>
          </p>
        </Show>
      </Show>
    </div>
  );
}

function Node(props: { id: string; service: ServiceHealth; at: Corner }): JSX.Element {
  const name = () => props.service.service?.name ?? props.id;
  return (
    // A link by itself would be one of HTML, which is not drawn here, and a class on it would be set as one of HTML.
    <g class={`node ${CLASS_OF_HEALTH[props.service.state]}`} data-service={props.id}>
      <a href={link(props.service)}>
        <rect x={props.at.left} y={props.at.top} width={NODE.width} height={NODE.height} rx="6" />
        <text class="name" x={props.at.left + 10} y={props.at.top + 18}>
          {short(name())}
        </text>
        <text class="health" x={props.at.left + NODE.width - 8} y={props.at.top + 18}>
          {props.service.state === HealthState.WELL ? "" : enumName(HealthStateSchema, props.service.state)}
        </text>
        <text class="figures" x={props.at.left + 10} y={props.at.top + 34}>
          {`${rate(props.service.requestsPerSecond)}  err ${percent(props.service.errorRatio)}`}
        </text>
        <text class="figures" x={props.at.left + 10} y={props.at.top + 49}>
          {`${props.service.latencyDimension || "lat"} ${seconds(props.service.latencyS)}  sat ${percent(props.service.saturation)}`}
        </text>
        <Show when={props.service.saturation !== undefined}>
          <Saturation share={props.service.saturation ?? 0} at={props.at} />
        </Show>
        <title>{serviceInWords(props.service)}</title>
      </a>
    </g>
  );
}

/** A resource that is as full as this has no room for a peak. */
const FULL_MIN = 0.9;

/** How full the fullest resource is. The figure above it says the same. */
function Saturation(props: { share: number; at: Corner }): JSX.Element {
  const [width, height] = [NODE.width - 20, 55.5];
  const bar = (share: number) => `M${props.at.left + 10},${props.at.top + height} h${(width * Math.min(1, share)).toFixed(1)}`;
  return (
    <g class={`saturation ${props.share >= FULL_MIN ? "full" : ""}`} aria-hidden="true">
      <path class="room" d={bar(1)} />
      <path class="taken" d={bar(props.share)} />
    </g>
  );
}

/** Calls that fail and are named at once. */
const NAMED_MAX = 5;

/** What the map does not show of calls: those that fail are said all the same, and that there are others. */
function NotDrawn(props: { edges: readonly Edge[]; isTruncated: boolean }): JSX.Element {
  const failing = () => worstFirst(props.edges).filter(isFailing);
  const named = () => failing().slice(0, NAMED_MAX).map((edge) => `${edge.from} to ${edge.to} (${percent(edge.errorRatio)})`);
  const unheard = () => props.edges.filter((edge) => !edge.isOutside).length;
  return (
    <>
      <Show when={failing().length > 0}>
        <p class="waiting">
          {`Calls that are not on the map fail: ${named().join(", ")}${failing().length > NAMED_MAX ? ` and ${failing().length - NAMED_MAX} more` : ""}.`}
        </p>
      </Show>
      <Show when={unheard() > 0}>
        <p class="muted">
          {`${counted(unheard(), "call is", "calls are")} not drawn, since nothing was heard lately of who makes or takes them; the table has them.`}
        </p>
      </Show>
      <Show when={props.isTruncated}>
        <p class="muted">There are more calls than are told.</p>
      </Show>
    </>
  );
}

/** An address that is called, and of which nothing is known but that. */
function Outside(props: { address: string; at: Corner }): JSX.Element {
  return (
    <g class="node outside" data-outside={props.address}>
      <rect x={props.at.left} y={props.at.top} width={NODE.width} height={NODE.height} rx="6" />
      <text class="name" x={props.at.left + 10} y={props.at.top + 26}>
        {short(props.address, 21)}
      </text>
      <text class="figures" x={props.at.left + 10} y={props.at.top + 44}>
        outside, nothing is heard of it
      </text>
      <title>{`${props.address}: an address that is called; no service there is heard of`}</title>
    </g>
  );
}

const short = (name: string, most = 17) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);
