import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { AttemptOutcome, CauseKind, type Evidence, EvidenceSchema } from "@contracts/diagnosis/v1/diagnosis_pb";
import { Direction, JudgementKind, Signal } from "@contracts/incident/v1/incident_pb";
import { ChangeKind, LogSeverity } from "@contracts/telemetry/v1/telemetry_pb";
import { timestamp } from "../src/lib/time";
import { type Shown, shownOf, signalValue, wordsOf } from "../src/views/incident/evidence";

const ONSET = 1_700_000_000_000;
const AROUND = { incident: "incidents/i1", onset: ONSET, until: ONSET + 60_000 };
const checkout = { namespace: "shop", name: "checkout", environment: "production" };

type Fact = NonNullable<Parameters<typeof create<typeof EvidenceSchema>>[1]>["fact"];
const evidence = (fact: Fact): Evidence => create(EvidenceSchema, { id: "e1", summary: "a fact", ...(fact ? { fact } : {}) });
const shown = (fact: Fact, around: Parameters<typeof shownOf>[1] = AROUND): Shown => shownOf(evidence(fact), around);
const row = (of: Shown, name: string) => of.rows.find(([key]) => key === name)?.[1];
const queryOf = (of: Shown) => new URL(of.links[0]?.href ?? "", "http://page").searchParams;

test("an anomaly shows its numbers in its unit, errors as shares", () => {
  const found = shown({
    case: "anomaly",
    value: { id: "a", service: checkout, signal: Signal.ERRORS, metric: "errors", unit: "1", direction: Direction.UP, expected: 0.01, observed: 0.5, score: 12 },
  });
  expect(found.kind).toBe("signal: errors");
  expect(row(found, "Usual")).toBe("1 %");
  expect(row(found, "Most extreme")).toBe("50 %, above what is usual");
  expect(row(found, "How far outside")).toBe("12 robust standard deviations");
  expect(row(found, "Requests meanwhile")).toBeUndefined();
});

test("what an anomaly's score counts depends on its signal", () => {
  const burn = shown({ case: "anomaly", value: { signal: Signal.BUDGET_BURN, score: 3 } });
  const reported = shown({ case: "anomaly", value: { signal: Signal.REPORTED, score: 1 } });
  expect(row(burn, "How far outside")).toBe("3 times the threshold");
  expect(row(reported, "How far outside")).toBeUndefined();
});

test("a log template shows its lines with their traces, and leads to the logs", () => {
  const found = shown({
    case: "logTemplate",
    value: {
      service: checkout,
      template: "pool <*> exhausted after <*> ms: no connection",
      severity: LogSeverity.ERROR,
      count: 7n,
      exemplars: ["pool db exhausted after 30 ms: no connection", "another"],
      exemplarTraceIds: ["abc", ""],
    },
  });
  expect(row(found, "Count since the onset")).toBe("7");
  expect(found.lines).toEqual([
    { text: "pool db exhausted after 30 ms: no connection", traceId: "abc" },
    { text: "another", traceId: "" },
  ]);
  const query = queryOf(found);
  expect(query.get("tab")).toBe("logs");
  expect(query.get("service")).toBe("shop/checkout@production");
  expect(query.get("q")).toBe("pool exhausted after ms no connection");
  expect(Number(query.get("from"))).toBeLessThan(ONSET);
  expect(Number(query.get("to"))).toBeGreaterThan(AROUND.until);
});

test("without times a link names no range, since half a range is none", () => {
  const found = shown({ case: "logTemplate", value: { service: checkout, template: "x" } }, { incident: "incidents/i1", onset: undefined, until: undefined });
  expect(queryOf(found).has("from")).toBe(false);
  expect(queryOf(found).has("to")).toBe(false);
});

test("a change shows what was before and after, and says what its sender did not", () => {
  const value = { service: checkout, kind: ChangeKind.DEPLOYMENT, subject: "checkout", after: "v2", time: timestamp(ONSET) };
  const found = shown({ case: "change", value });
  expect(found.kind).toBe("change: deployment");
  expect(row(found, "Before")).toBe("not said");
  expect(row(found, "After")).toBe("v2");
  expect(queryOf(found).get("tab")).toBe("changes");
});

test("a precedent says what the person said, and leads to the incident", () => {
  const found = shown({
    case: "precedent",
    value: {
      incident: "incidents/i0",
      service: checkout,
      kind: JudgementKind.OTHER_CAUSE,
      cause: { service: checkout, kind: CauseKind.MEMORY_LEAK as number },
    },
  });
  expect(row(found, "The person said")).toBe("the cause was another one: memory leak in shop/checkout@production");
  expect(row(found, "Its diagnosis had said")).toMatch(/^nothing/);
  expect(found.links[0]?.href).toBe("/incidents/i0");
});

describe("an attempt", () => {
  const attempt = (action: string, presentLife = false) =>
    shown({ case: "attempt", value: { action, actionType: "restart", outcome: AttemptOutcome.VAIN, presentLife } });
  test.each([
    ["incidents/i1/actions/a1", true, "this incident"],
    ["incidents/i1/actions/a1", false, "this incident, before it was opened again"],
    ["incidents/i0/actions/a1", false, "an incident like it"],
  ])("%s, of the present life: %s", (action, presentLife, said) => {
    expect(row(attempt(action, presentLife), "Made for")).toBe(said);
  });
  test("leads to the action on its incident's page", () => {
    expect(attempt("incidents/i0/actions/a1").links[0]?.href).toBe("/incidents/i0#action-a1");
  });
});

test("a fact of a kind that this page does not know shows nothing that is not there", () => {
  expect(shown(undefined)).toEqual({ kind: "fact", rows: [], lines: [], links: [] });
});

test.each([
  ["<*> <*>", ""],
  ["id=<*> timed out, timed again", "timed out again"],
  ["  \"refused\" (111)  ", "refused"],
])("the words that every line of %j has", (template, words) => {
  expect(wordsOf(template)).toBe(words);
});

test("of signals in the unit 1 errors are shares, and counts and burn rates are not", () => {
  expect(signalValue({ signal: Signal.TRAFFIC, unit: "1" }, 1)).toBe("1");
  expect(signalValue({ signal: Signal.BUDGET_BURN, unit: "1" }, 1)).toBe("1");
  expect(signalValue({ signal: Signal.SATURATION, unit: "1", metric: "queue.length" }, 1)).toBe("1");
  expect(signalValue({ signal: Signal.SATURATION, unit: "1", metric: "process.cpu.utilization" }, 0.8)).toBe("80 %");
  expect(signalValue({ signal: Signal.ERRORS, unit: "1" }, 0.02)).toBe("2 %");
});
