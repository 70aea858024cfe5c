// What is asked of log lines, as the address says it.

import { type Accessor, createMemo } from "solid-js";
import { type LogRecord, LogSeverity, LogSeveritySchema } from "@contracts/telemetry/v1/telemetry_pb";
import type { LogCount } from "@contracts/telemetry/v1/telemetry_service_pb";
import { telemetry } from "../../client/api";
import { enumName, parseService, serviceName } from "../../lib/names";
import { query } from "../../lib/route";
import type { Millis } from "../../lib/time";
import { type Asked, ask } from "../../ui/ask";
import { type Page, type Paged, paged } from "../../ui/pages";
import { reuse, wholeParts } from "./counts";
import type { Range, Window } from "./range";
import { isSame, refreshOf, type Scope, windowNow } from "./scope";
import { wireRange } from "./services";

/** Lines that one page of the browser bears. */
export const LINES_MAX = 2_000;
const PAGE = 200;

export interface LogQuestion {
  range: Range;
  words: string;
  service: string;
  severity: LogSeverity;
  trace: string;
}

export interface LogPage extends Page<LogRecord>, Window {}

/** Severities by the names that the address has for them, from the least on. */
export const SEVERITIES: readonly { name: string; value: LogSeverity }[] = [
  LogSeverity.TRACE,
  LogSeverity.DEBUG,
  LogSeverity.INFO,
  LogSeverity.WARN,
  LogSeverity.ERROR,
  LogSeverity.FATAL,
].map((value) => ({ name: enumName(LogSeveritySchema, value), value }));

/** An id of a trace however it was copied: with hyphens, as an incident's, or in capitals. */
export const traceOf = (text: string): string => text.replace(/[\s-]/g, "").toLowerCase();

export const severityName = (line: LogRecord): string =>
  line.severity === LogSeverity.UNSPECIFIED ? "not stated" : enumName(LogSeveritySchema, line.severity);

function keyOf(line: LogRecord): string {
  const { time } = line;
  return [time?.seconds, time?.nanos, serviceName(line.service), line.origin?.instance, line.spanId, line.body].join("\n");
}

/** What the address asks for. */
const questionOf = (scope: Scope): Accessor<LogQuestion | undefined> =>
  createMemo(
    () => {
      const range = scope.range();
      if (!range) return undefined;
      const severity = SEVERITIES.find((one) => one.name === query("severity"))?.value ?? LogSeverity.UNSPECIFIED;
      return { range, words: query("q"), service: scope.service(), severity, trace: traceOf(query("trace")) };
    },
    undefined,
    { equals: isSame },
  );

const wireQuestion = (asked: LogQuestion, window: Window) => ({
  range: wireRange(window),
  query: asked.words,
  minSeverity: asked.severity,
  traceId: asked.trace,
  ...(asked.service ? { service: parseService(asked.service) } : {}),
});

/** Parts that a time is counted in. */
export const PARTS = 60;

/** All that match by part of the time, as the server counts them. */
export interface Counted extends Window {
  counts: readonly LogCount[];
  partMs: Millis;
  /** Up to when there is anything to count: what comes later is not over. */
  until: Millis;
}

/** Not while `isWanted` says that nobody sees it: it reads all that match. */
export function countLogs(scope: Scope, isWanted: Accessor<boolean>): Asked<Counted> {
  const question = questionOf(scope);
  return ask(
    () => (isWanted() ? question() : undefined),
    async (asked, signal): Promise<Counted> => {
      const now = windowNow(asked.range);
      const window = asked.range.isLive ? wholeParts(now, PARTS) : { ...now, parts: PARTS };
      const found = await telemetry.countLogs({ ...wireQuestion(asked, window), maxParts: window.parts }, { signal });
      const partMs = Number(found.partDuration?.seconds ?? 0) * 1_000;
      return { from: window.from, to: window.to, counts: found.counts, partMs, until: now.to };
    },
    { everyMs: () => refreshOf(scope.range()) },
  );
}

export function searchLogs(scope: Scope): Paged<LogRecord, LogPage> {
  const question = questionOf(scope);
  let known: readonly LogRecord[] = [];
  return paged<LogQuestion, LogRecord, LogPage>(
    question,
    async (asked, signal, before) => {
      // Older lines are those of the same time as the first answer was about, however late they are asked for.
      const window = before ? { from: before.first.from, to: before.first.to } : windowNow(asked.range);
      const found = await telemetry.searchLogs(
        { ...wireQuestion(asked, window), pageSize: PAGE, pageToken: before?.next ?? "" },
        { signal },
      );
      const items = before ? found.records : reuse(known, found.records, keyOf);
      if (!before) known = items;
      return { items, next: found.nextPageToken, from: window.from, to: window.to };
    },
    { max: LINES_MAX, everyMs: () => refreshOf(scope.range()) },
  );
}
