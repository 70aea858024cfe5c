// What changes, over one stream, which a window that nobody sees gives back: as it is now, and each change. Where the stream
// breaks it is begun again from where it was, and meanwhile the page says that it is not live.

import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { createSignal } from "solid-js";
import type { FleetState, Holds, WatchResponse } from "@contracts/dashboard/v1/dashboard_service_pb";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import type { Diagnosis } from "@contracts/diagnosis/v1/diagnosis_pb";
import type { SignalRecording } from "@contracts/fleet/v1/fleet_pb";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import type { Action, KillSwitch } from "@contracts/remediation/v1/remediation_pb";
import { millis } from "../lib/time";
import { Code, ConnectError } from "@connectrpc/connect";
import { dashboard, inWords } from "./api";
import { hear, productNow } from "./clock";
import { isSeen, seenAgain, whenHidden } from "./seen";
import { type Step, withStepsOf } from "./steps";
import { askWho, isSignedOut, session, whenIn } from "./session";

/** Nothing came for so long: the connection is gone, whatever the system says. Several beats of the server. */
const SILENT_MS = 12_000;
/** Before the next try: doubled each time, with some chance so that all windows do not come at once. */
const RETRY_MS = { first: 250, most: 5_000 };
export type Connection = { state: "connecting" | "live" } | { state: "lost"; why: string; since: number };

const [connection, setConnection] = createSignal<Connection>({ state: "connecting" });
const [incidents, setIncidents] = createSignal<ReadonlyMap<string, Incident>>(new Map());
const [steps, setSteps] = createSignal<readonly Step[]>([]);
const [isCaught, setCaught] = createSignal(false);
/** Parts of which this stream has said how they are now. That of another stream is of then. */
const [fresh, setFresh] = createSignal<ReadonlySet<Part>>(new Set());
const [fleet, setFleet] = createSignal<FleetState>();
const [holds, setHolds] = createSignal<Holds>();
const [problems, setProblems] = createSignal<ReadonlyMap<Part, string>>(new Map());
const [diagnoses, setDiagnoses] = createSignal<readonly Diagnosis[]>([]);
const [actions, setActions] = createSignal<readonly Action[]>([]);
const [recordings, setRecordings] = createSignal<readonly SignalRecording[]>();

/** What the stream has said so far. */
export const live = {
  connection,
  /** Incidents that live, and the one that is looked at, by name. */
  incidents,
  /** The latest steps of all incidents, newest first. */
  steps,
  /** Whether all incidents that live are known. */
  isCaught,
  fleet,
  holds,
  /** Parts that cannot be had, and why. */
  problems,
  /** Of the incident that is looked at, newest first. */
  diagnoses,
  /** Of the incident that is looked at, newest first. */
  actions,
  /** Of the incident that is looked at, the strongest first. */
  recordings,
};

/** Parts that belong to the incident that is looked at. */
const OF_ONE: readonly Part[] = [Part.DIAGNOSES, Part.ACTIONS, Part.RECORDINGS];

let lookedAt = "";
let resumeToken = "";
let current: AbortController | undefined;

/** Whether what is known of a part is how it is now: that nothing is known of is not that there is nothing. */
export const isKnown = (part: Part): boolean => connection().state === "live" && fresh().has(part) && !problems().has(part);

/** Whether an incident has come to its end. */
export const hasEnded = (incident: Incident): boolean => incident.endTime !== undefined;

/** Follows this incident too; none by an empty name. */
export function lookAt(incident: string): void {
  if (incident === lookedAt) return;
  lookedAt = incident;
  setIncidents((before) => new Map([...before].filter(([name, one]) => name === incident || !hasEnded(one))));
  setDiagnoses([]);
  setActions([]);
  setRecordings(undefined);
  // What could not be had of another incident says nothing of this one.
  setProblems((before) => new Map([...before].filter(([part]) => !OF_ONE.includes(part))));
  current?.abort();
}

/** Takes what a call of this page said of the kill switch, which the stream says a moment later. */
export function takeKillSwitch(killSwitch: KillSwitch): void {
  setHolds((before) => before && { ...before, killSwitch });
}

/** Follows for ever. */
export async function follow(): Promise<never> {
  let wait = RETRY_MS.first;
  for (;;) {
    // The server may be away, or another one by now, that asks for a token.
    if (session().state === "asking") await askWho().catch(() => {});
    else if (session().state === "out") await whenIn();
    const wanted = lookedAt;
    const why = await once(wanted, () => (wait = RETRY_MS.first));
    // Another incident is looked at: nothing was lost.
    if (wanted !== lookedAt) continue;
    // What was known is of then, until the next stream has told how it is.
    setFresh(new Set<Part>());
    if (why === RELEASED) {
      setConnection({ state: "connecting" });
      await seenAgain();
      continue;
    }
    setConnection((before) => (before.state === "lost" ? { ...before, why } : { state: "lost", why, since: productNow() }));
    await new Promise((done) => setTimeout(done, wait * (0.75 + Math.random() / 2)));
    wait = Math.min(wait * 2, RETRY_MS.most);
  }
}

/** Why a stream ended that the page gave back itself. */
const RELEASED = "nobody looks at this page";

/** Follows one stream until it ends; says why it did. */
async function once(incident: string, alive: () => void): Promise<string> {
  const stop = new AbortController();
  current = stop;
  let silent = false;
  const giveUp = () => {
    silent = true;
    stop.abort();
  };
  let timer = setTimeout(giveUp, SILENT_MS);
  let released = false;
  const release = () => {
    released = true;
    stop.abort();
  };
  let isOnlyALook = !isSeen();
  const endHidden = whenHidden(release);
  try {
    // Zero is no time-out: a stream ends with its silence.
    const stream = dashboard.watch({ incident, resumeToken }, { signal: stop.signal, timeoutMs: 0 });
    for await (const message of stream) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, SILENT_MS);
      alive();
      if (connection().state !== "live") setConnection({ state: "live" });
      // What a view makes of it is no failure of the connection, and must not look like one.
      try {
        take(message);
      } catch (error) {
        console.error(error);
      }
      isOnlyALook &&= !isSeen();
      if (isOnlyALook && message.news.case === "caught") release();
    }
    return released ? RELEASED : "the server ended the stream";
  } catch (error) {
    if (released) return RELEASED;
    if (ConnectError.from(error).code === Code.Unauthenticated) isSignedOut("");
    return silent ? "the server does not answer" : inWords(error);
  } finally {
    clearTimeout(timer);
    endHidden();
    stop.abort();
  }
}

function take(message: WatchResponse): void {
  if (message.time) hear(millis(message.time));
  const { news } = message;
  switch (news.case) {
    case "incident":
      setIncidents((before) => withIncident(before, news.value));
      setSteps((before) => withStepsOf(before, news.value));
      break;
    case "caught":
      if (news.value.complete) onlyLiving(new Set(news.value.living));
      setCaught(true);
      isTold(Part.INCIDENTS);
      break;
    case "fleet":
      setFleet(news.value);
      isTold(Part.FLEET);
      break;
    case "holds":
      setHolds((before) => asKnown(before, news.value));
      break;
    case "diagnosis":
      setDiagnoses((before) => withNewest(before, news.value));
      break;
    case "action":
      setActions((before) => withNewest(before, news.value));
      break;
    case "recordings":
      setRecordings(news.value.recordings);
      break;
    case "problem":
      setProblems((before) => withProblem(before, news.value.part, news.value.reason));
      break;
    case undefined:
      break;
  }
  if (message.resumeToken) resumeToken = message.resumeToken;
}

function isTold(part: Part): void {
  if (!fresh().has(part)) setFresh((before) => new Set([...before, part]));
}

/** The incidents with this one as it is now. Those that live are kept, and the one that is looked at. */
function withIncident(before: ReadonlyMap<string, Incident>, incident: Incident): ReadonlyMap<string, Incident> {
  const after = new Map(before);
  if (hasEnded(incident) && incident.name !== lookedAt) after.delete(incident.name);
  else after.set(incident.name, incident);
  return after;
}

/** What cannot be asked for is not released: what was known of it stands. */
function asKnown(before: Holds | undefined, now: Holds): Holds {
  const lacks = problems();
  return {
    ...now,
    ...(before && lacks.has(Part.HOLDS) ? { killSwitch: before.killSwitch, freezes: before.freezes } : {}),
    ...(before && lacks.has(Part.MAINTENANCE) ? { windows: before.windows } : {}),
  } as Holds;
}

/** Those that live, after a beginning: what else there was is of a time, or of a store, that was not followed to its end. */
function onlyLiving(living: ReadonlySet<string>): void {
  setIncidents((before) => new Map([...before].filter(([name]) => living.has(name))));
  setSteps((before) => before.filter((step) => living.has(step.incident)));
}

function withNewest<T extends { name: string; createTime?: Timestamp | undefined }>(
  before: readonly T[],
  changed: T,
): readonly T[] {
  const at = (one: T) => millis(one.createTime) ?? 0;
  return [...before.filter((one) => one.name !== changed.name), changed].sort((a, b) => at(b) - at(a));
}

function withProblem(before: ReadonlyMap<Part, string>, part: Part, reason: string): ReadonlyMap<Part, string> {
  const after = new Map(before);
  if (reason) after.set(part, reason);
  else after.delete(part);
  return after;
}
