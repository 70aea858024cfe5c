// What is asked of log lines, as the address says it.

import { type Accessor, createMemo } from "solid-js";
import { type LogRecord, LogSeverity, LogSeveritySchema } from "@contracts/telemetry/v1/telemetry_pb";
import { telemetry } from "../../client/api";
import { enumName, parseService, serviceName } from "../../lib/names";
import { query } from "../../lib/route";
import { type Page, type Paged, paged } from "../../ui/pages";
import { reuse } from "./counts";
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

export function searchLogs(scope: Scope): Paged<LogRecord, LogPage> {
  const question: Accessor<LogQuestion | undefined> = createMemo(
    () => {
      const range = scope.range();
      if (!range) return undefined;
      const severity = SEVERITIES.find((one) => one.name === query("severity"))?.value ?? LogSeverity.UNSPECIFIED;
      return { range, words: query("q"), service: scope.service(), severity, trace: traceOf(query("trace")) };
    },
    undefined,
    { equals: isSame },
  );
  let known: readonly LogRecord[] = [];
  return paged<LogQuestion, LogRecord, LogPage>(
    question,
    async (asked, signal, before) => {
      // Older lines are those of the same time as the first answer was about, however late they are asked for.
      const window = before ? { from: before.first.from, to: before.first.to } : windowNow(asked.range);
      const found = await telemetry.searchLogs(
        {
          range: wireRange(window),
          query: asked.words,
          minSeverity: asked.severity,
          traceId: asked.trace,
          pageSize: PAGE,
          pageToken: before?.next ?? "",
          ...(asked.service ? { service: parseService(asked.service) } : {}),
        },
        { signal },
      );
      const items = before ? found.records : reuse(known, found.records, keyOf);
      if (!before) known = items;
      return { items, next: found.nextPageToken, from: window.from, to: window.to };
    },
    { max: LINES_MAX, everyMs: () => refreshOf(scope.range()) },
  );
}
