// States in a word and a colour; the word is always there, since not everybody sees the colour.

import type { JSX } from "solid-js";
import { HealthState, HealthStateSchema } from "@contracts/fleet/v1/fleet_pb";
import { type Incident, Severity, SeveritySchema, State, StateSchema } from "@contracts/incident/v1/incident_pb";
import { enumName } from "../lib/names";

export function SeverityBadge(props: { severity: Severity }): JSX.Element {
  const name = () => enumName(SeveritySchema, props.severity);
  return <span class={`badge ${name()}`}>{name().toUpperCase()}</span>;
}

const CLASS_OF_STATE: Partial<Record<State, string>> = {
  [State.AWAITING_APPROVAL]: "waiting",
  [State.ESCALATED]: "troubled",
  [State.RESOLVED]: "well",
  [State.DUPLICATE]: "unknown",
};

export function StateBadge(props: { incident: Incident }): JSX.Element {
  return (
    <span class={`badge ${CLASS_OF_STATE[props.incident.state] ?? ""}`} data-state={State[props.incident.state]}>
      {enumName(StateSchema, props.incident.state)}
    </span>
  );
}

export const CLASS_OF_HEALTH: Record<HealthState, string> = {
  [HealthState.UNSPECIFIED]: "unknown",
  [HealthState.WELL]: "well",
  [HealthState.TROUBLED]: "troubled",
  [HealthState.SILENT]: "silent",
  [HealthState.UNKNOWN]: "unknown",
};

export function HealthBadge(props: { state: HealthState }): JSX.Element {
  return <span class={`badge ${CLASS_OF_HEALTH[props.state]}`}>{enumName(HealthStateSchema, props.state)}</span>;
}
