// The command lines that show and do the same as the page.

import type { Action } from "@contracts/remediation/v1/remediation_pb";
import { lastPart } from "../../lib/names";

/** The id of an incident's trace. */
export function traceIdOf(incident: string): string {
  return lastPart(incident).replaceAll("-", "");
}

/** Where a trace is shown; `undefined` where nobody said, and for what is no id of a trace. */
export function traceLink(traceUrl: string | undefined, traceId: string): string | undefined {
  return traceUrl && /^[0-9a-f]{32}$/.test(traceId) ? traceUrl.replaceAll("{trace_id}", traceId) : undefined;
}

/** What a person may want to say there: to show it, to decide about the action that waits, to take care, and to report. */
export function commandsOf(incident: string, isEnded: boolean, waiting: Action | undefined): string[] {
  const id = lastPart(incident);
  const lines = [`llm-sre incidents get ${id}`, `llm-sre actions list ${id}`];
  if (waiting) {
    lines.push(`llm-sre actions approve ${waiting.name} --digest ${waiting.digest}`);
    lines.push(`llm-sre actions reject ${waiting.name}`);
  }
  if (!isEnded) lines.push(`llm-sre incidents ack ${id}`);
  lines.push(`llm-sre incidents report ${id}`);
  return lines;
}
