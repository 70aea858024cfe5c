// All that is known of the incident that is looked at: what the stream says of it, what was asked for, and what a call of
// this page was answered, of which the newest counts.

import { Code, ConnectError } from "@connectrpc/connect";
import { type Accessor, createMemo, createSignal } from "solid-js";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import type { Diagnosis } from "@contracts/diagnosis/v1/diagnosis_pb";
import type { SignalRecording } from "@contracts/fleet/v1/fleet_pb";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import type { Action } from "@contracts/remediation/v1/remediation_pb";
import { diagnoses, fleet, incidents, remediation } from "../../client/api";
import { hasEnded, live } from "../../client/live";
import { ask } from "../../ui/ask";
import { newest, together } from "./newest";

/** As many as the services give at a time; an incident has far fewer. */
const PAGE_MAX = 200;

/** A part of what is known, and how it stands with it. */
export interface Known<T> {
  value: Accessor<T>;
  isLoading: Accessor<boolean>;
  error: Accessor<string | undefined>;
  again: () => void;
}

export interface Model {
  /** `incidents/{uuid}`. */
  name: string;
  incident: Known<Incident | undefined>;
  /** Whether the server says that there is no such incident. */
  isUnknown: Accessor<boolean>;
  isLiving: Accessor<boolean>;
  /** Newest first. */
  diagnoses: Known<readonly Diagnosis[]>;
  /** Newest first. */
  actions: Known<readonly Action[]>;
  /** The strongest first. */
  recordings: Known<readonly SignalRecording[]>;
  /** Takes what a call of this page was answered. */
  answered: { incident: (incident: Incident) => void; action: (action: Action) => void };
}

export function createModel(name: string): Model {
  const [answeredIncident, setAnsweredIncident] = createSignal<Incident>();
  const [answeredActions, setAnsweredActions] = createSignal<readonly Action[]>([]);
  // Whether it is known, and not each change of any incident, is what a question depends on.
  const isTold = createMemo(() => live.incidents().has(name));
  const asked = ask(() => (isTold() ? undefined : name), findIncident);
  const incident = createMemo(() => {
    const found = asked.data();
    return newest([live.incidents().get(name), answeredIncident(), found === "unknown" ? undefined : found]);
  });
  const own = () => name;
  const askedDiagnoses = ask(own, async (parent, signal) => {
    return (await diagnoses.listDiagnoses({ parent, pageSize: PAGE_MAX }, { signal })).diagnoses;
  });
  const askedActions = ask(own, async (parent, signal) => {
    return (await remediation.listActions({ parent, pageSize: PAGE_MAX }, { signal })).actions;
  });
  const askedRecordings = ask(own, async (parent, signal) => {
    return (await fleet.listSignalRecordings({ parent }, { signal })).recordings;
  });
  const isOwn = (one: { name: string }) => one.name.startsWith(`${name}/`);
  const allDiagnoses = createMemo(() => together([live.diagnoses().filter(isOwn), askedDiagnoses.data() ?? []]));
  const allActions = createMemo(() => {
    return together([live.actions().filter(isOwn), answeredActions(), askedActions.data() ?? []]);
  });
  const recordings = createMemo(() => live.recordings() ?? askedRecordings.data() ?? []);
  return {
    name,
    incident: {
      value: incident,
      isLoading: () => incident() === undefined && asked.isLoading(),
      error: () => live.problems().get(Part.INCIDENTS) ?? (incident() ? undefined : asked.error()),
      again: asked.again,
    },
    isUnknown: () => incident() === undefined && asked.data() === "unknown",
    isLiving: () => {
      const known = incident();
      return known !== undefined && !hasEnded(known);
    },
    diagnoses: known(allDiagnoses, askedDiagnoses, () => allDiagnoses().length > 0, Part.DIAGNOSES),
    actions: known(allActions, askedActions, () => allActions().length > 0, Part.ACTIONS),
    recordings: known(recordings, askedRecordings, () => live.recordings() !== undefined, Part.RECORDINGS),
    answered: {
      incident: setAnsweredIncident,
      action: (action) => setAnsweredActions((before) => [action, ...before.filter((one) => one.name !== action.name)]),
    },
  };
}

/** That there is no such incident is an answer, and not an error. */
async function findIncident(name: string, signal: AbortSignal): Promise<Incident | "unknown"> {
  try {
    return await incidents.getIncident({ name }, { signal });
  } catch (error) {
    const { code } = ConnectError.from(error);
    if (code === Code.NotFound || code === Code.InvalidArgument) return "unknown";
    throw error;
  }
}

function known<T>(
  value: Accessor<T>,
  asked: { isLoading: Accessor<boolean>; error: Accessor<string | undefined>; again: () => void },
  isThere: () => boolean,
  part: Part,
): Known<T> {
  return {
    value,
    isLoading: () => !isThere() && asked.isLoading(),
    // What the stream says is newer than the one question.
    error: () => live.problems().get(part) ?? (isThere() ? undefined : asked.error()),
    again: asked.again,
  };
}
