// A fact that a diagnosis cites, as what a reader is shown of it.

import {
  type Attempt,
  AttemptOutcome,
  CauseKindSchema,
  type Diagnosis,
  type Evidence,
  type LogTemplate,
  type Precedent,
} from "@contracts/diagnosis/v1/diagnosis_pb";
import {
  type Anomaly,
  type Cause,
  Direction,
  JudgementKind,
  Signal,
  SignalSchema,
} from "@contracts/incident/v1/incident_pb";
import { type Change, ChangeKindSchema, LogSeveritySchema, type Origin } from "@contracts/telemetry/v1/telemetry_pb";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { ABSENT, number, isShareByName, quantity, rate } from "../../lib/format";
import { enumName, serviceName } from "../../lib/names";
import { dateTime, type Millis, millis } from "../../lib/time";

/** Signals whose values are counts or rates. */
const COUNTED: readonly Signal[] = [Signal.TRAFFIC, Signal.BUDGET_BURN, Signal.LOG_BURST, Signal.NEW_LOG_TEMPLATE];
/** Around what is looked for, so that what led to it is seen too. */
const AROUND_MS = 120_000;
/** What one request wrote was written within so much of it. */
const TRACE_AROUND_MS = 1_800_000;
/** A search by more words finds no more, and is longer than people read. */
const WORDS_MAX = 8;

export interface EvidenceLink {
  label: string;
  href: string;
}

/** What is shown of a fact. */
export interface Shown {
  /** What kind of fact, in a word or two. */
  kind: string;
  /** Names and values. */
  rows: [string, string][];
  /** Lines of others, verbatim. */
  lines: { text: string; traceId: string }[];
  links: EvidenceLink[];
}

/** What is known around a fact. */
export interface Around {
  /** `incidents/{uuid}`. */
  incident: string;
  onset: Millis | undefined;
  /** Event time up to which the diagnosis looked. */
  until: Millis | undefined;
}

export function around(incident: { name: string; onsetTime?: Timestamp | undefined }, diagnosis: Diagnosis): Around {
  return { incident: incident.name, onset: millis(incident.onsetTime), until: millis(diagnosis.evidenceTime) };
}

/** Whether its values are shares of one. */
export function isShare(of: { signal: Signal; unit: string; metric?: string }): boolean {
  return (of.signal === Signal.ERRORS && of.unit === "1") || isShareByName(of.metric ?? "", of.unit);
}

/** The unit to show: a small count or rate in the unit 1 is no share. */
export function unitOf(of: { signal: Signal; unit: string }): string {
  return of.unit === "1" && COUNTED.includes(of.signal) ? "" : of.unit;
}

/** A value of a signal with its unit. */
export function signalValue(of: { signal: Signal; unit: string; metric?: string }, value: number): string {
  return quantity(value, unitOf(of), isShare(of));
}

export function shownOf(evidence: Evidence, where: Around): Shown {
  const { fact } = evidence;
  switch (fact.case) {
    case "anomaly":
      return ofAnomaly(fact.value);
    case "logTemplate":
      return ofLogs(fact.value, where);
    case "change":
      return ofChange(fact.value);
    case "precedent":
      return ofPrecedent(fact.value);
    case "attempt":
      return ofAttempt(fact.value, where);
    case undefined:
      return { kind: "fact", rows: [], lines: [], links: [] };
  }
}

/** The anomaly that a fact is, where it is one. */
export function anomalyOf(evidence: Evidence): Anomaly | undefined {
  return evidence.fact.case === "anomaly" ? evidence.fact.value : undefined;
}

function ofAnomaly(anomaly: Anomaly): Shown {
  const way = { [Direction.UNSPECIFIED]: "outside of", [Direction.UP]: "above", [Direction.DOWN]: "below" }[anomaly.direction];
  return {
    kind: `signal: ${enumName(SignalSchema, anomaly.signal)}`,
    rows: present([
      ["Service", serviceName(anomaly.service)],
      ["Process", originName(anomaly.origin)],
      ["Signal", [anomaly.metric, anomaly.dimension].filter(Boolean).join(" ")],
      ["Usual", signalValue(anomaly, anomaly.expected)],
      ["Most extreme", `${signalValue(anomaly, anomaly.observed)}, ${way} what is usual`],
      ["How far outside", scoreInWords(anomaly)],
      ["Requests meanwhile", anomaly.requestsPerSecond === undefined ? "" : rate(anomaly.requestsPerSecond)],
      ["Left its range", timeText(anomaly.onsetTime)],
      ["Detected", timeText(anomaly.detectTime)],
      ["Seen last", timeText(anomaly.lastSeenTime)],
      ["Exemplar", anomaly.exemplar],
    ]),
    lines: [],
    links: [],
  };
}

/** What the score counts depends on the signal. */
function scoreInWords(anomaly: Anomaly): string {
  const score = number(anomaly.score);
  switch (anomaly.signal) {
    case Signal.BUDGET_BURN:
      return `${score} times the threshold`;
    case Signal.LOG_BURST:
    case Signal.NEW_LOG_TEMPLATE:
      return `${score} times the usual count`;
    case Signal.REPORTED:
      return "";
    default:
      return `${score} robust standard deviations`;
  }
}

function ofLogs(logs: LogTemplate, where: Around): Shown {
  // Lines are counted from the onset on; of a template that is new, the first may have come shortly before.
  const starts = [where.onset, logs.isNew ? millis(logs.firstSeenTime) : undefined].filter((at) => at !== undefined);
  const start = starts.length ? Math.min(...starts) : where.until;
  const search = { service: serviceName(logs.service), q: wordsOf(logs.template), ...rangeOf(start, where.until ?? start) };
  return {
    kind: "log lines",
    rows: present([
      ["Service", serviceName(logs.service)],
      ["Process", originName(logs.origin)],
      ["Template", logs.template],
      ["Severity", enumName(LogSeveritySchema, logs.severity)],
      ["Count since the onset", logs.count.toString()],
      ["Seen first", timeText(logs.firstSeenTime)],
      ["New", logs.isNew ? "never seen before the onset" : "seen before the onset too"],
    ]),
    lines: logs.exemplars.map((text, index) => ({ text, traceId: logs.exemplarTraceIds[index] ?? "" })),
    links: [{ label: "These logs in Explore", href: explore("logs", search) }],
  };
}

/** The words of a template that every one of its lines has. */
export function wordsOf(template: string): string {
  const words = template.split(/\s+/).filter((word) => !word.includes("<*>"));
  const plain = words.map((word) => word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "")).filter((word) => /\p{L}/u.test(word));
  return [...new Set(plain)].slice(0, WORDS_MAX).join(" ");
}

function ofChange(change: Change): Shown {
  const at = millis(change.time);
  const search = { service: serviceName(change.service), ...rangeOf(at, at) };
  return {
    kind: `change: ${enumName(ChangeKindSchema, change.kind)}`,
    rows: present([
      ["Service", serviceName(change.service)],
      ["What", change.subject],
      ["Before", change.before || "not said"],
      ["After", change.after || "not said"],
      ["Description", change.description],
      ["Took effect", timeText(change.time)],
    ]),
    lines: [],
    links: [{ label: "Changes around it in Explore", href: explore("changes", search) }],
  };
}

const JUDGEMENT_IN_WORDS: Record<JudgementKind, string> = {
  [JudgementKind.UNSPECIFIED]: "not stated",
  [JudgementKind.FALSE_ALARM]: "there was nothing",
  [JudgementKind.CONFIRMED]: "its diagnosis was right",
  [JudgementKind.OTHER_CAUSE]: "the cause was another one",
};

export function judgementInWords(judged: { kind: JudgementKind; cause?: Cause | undefined }): string {
  const words = JUDGEMENT_IN_WORDS[judged.kind];
  return judged.cause ? `${words}: ${causeText(judged.cause)}` : words;
}

function ofPrecedent(precedent: Precedent): Shown {
  return {
    kind: "an incident before, as a person judged it",
    rows: present([
      ["About", serviceName(precedent.service)],
      ["How alike", precedent.sameFingerprint ? "the same fingerprint" : "the same service, which says less"],
      ["The person said", judgementInWords(precedent)],
      ["Its diagnosis had said", precedent.diagnosedCause ? causeText(precedent.diagnosedCause) : "nothing, or it is not there any more"],
      ["Judged", timeText(precedent.judgeTime)],
    ]),
    lines: [],
    links: [{ label: "The incident before", href: `/${precedent.incident}` }],
  };
}

const OUTCOME_IN_WORDS: Record<AttemptOutcome, string> = {
  [AttemptOutcome.UNSPECIFIED]: "not stated",
  [AttemptOutcome.HELPED]: "helped: recovery was measured after it",
  [AttemptOutcome.VAIN]: "in vain: no recovery was measured after it, or its target failed it",
  [AttemptOutcome.UNKNOWN]: "unknown: nobody knows whether it took effect",
};

function ofAttempt(attempt: Attempt, where: Around): Shown {
  const own = attempt.action.startsWith(`${where.incident}/`);
  return {
    kind: "a repair before",
    rows: present([
      ["Repair", attempt.actionType],
      ["Against", attempt.cause ? causeText(attempt.cause) : ""],
      ["Made for", attempt.presentLife ? "this incident" : own ? "this incident, before it was opened again" : "an incident like it"],
      ["What came of it", OUTCOME_IN_WORDS[attempt.outcome]],
      ["Carried out", timeText(attempt.executeTime)],
      ["Ended", timeText(attempt.endTime)],
    ]),
    lines: [],
    links: attempt.action ? [{ label: "The repair", href: actionHref(attempt.action) }] : [],
  };
}

/** The id of an action's element, of an evidence's and of a chart's. */
export const elementOf = {
  action: (name: string) => `action-${name.slice(name.lastIndexOf("/") + 1)}`,
  evidence: (id: string) => `evidence-${id}`,
  signal: (anomaly: string) => `signal-${anomaly}`,
  hypothesis: (id: string) => `hypothesis-${id}`,
};

/** Where an action is shown: on the page of its incident. */
export function actionHref(action: string): string {
  const [incidents, id] = action.split("/");
  return `/${incidents}/${id}#${elementOf.action(action)}`;
}

export function causeText(cause: Cause): string {
  return `${enumName(CauseKindSchema, cause.kind as number)} in ${serviceName(cause.service)}`;
}

export function originName(origin: Origin | undefined): string {
  if (!origin) return "";
  return [origin.instance, origin.version && `version ${origin.version}`].filter(Boolean).join(", ");
}

/** The address of the logs of a trace, where some line of the incident had it. */
export function traceHref(trace: string, where: Around): string {
  const start = where.onset ?? where.until;
  return explore("logs", { trace, ...rangeOf(start, where.until ?? start, TRACE_AROUND_MS) });
}

/** The time from here to there and what is around it; Explore takes both ends or none. */
function rangeOf(from: Millis | undefined, to: Millis | undefined, room = AROUND_MS): { from?: Millis; to?: Millis } {
  if (from === undefined || to === undefined) return {};
  return { from: Math.floor(from - room), to: Math.ceil(Math.max(from, to) + room) };
}

/** The address of what Explore finds by this. */
export function explore(tab: string, keys: Record<string, string | Millis | undefined>): string {
  const said = Object.entries(keys).filter(([, value]) => value !== undefined && value !== "");
  const words = said.map(([key, value]): [string, string] => [key, String(value)]);
  return `/explore?${new URLSearchParams([["tab", tab], ...words])}`;
}

function timeText(time: Timestamp | undefined): string {
  const at = millis(time);
  return at === undefined ? ABSENT : dateTime(at);
}

function present(rows: [string, string][]): [string, string][] {
  return rows.filter(([, value]) => value !== "");
}
