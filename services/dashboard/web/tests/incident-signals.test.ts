import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type SignalRecording, SignalRecordingSchema } from "@contracts/fleet/v1/fleet_pb";
import { IncidentSchema, State } from "@contracts/incident/v1/incident_pb";
import { RecoveryVerdict } from "@contracts/incident/v1/incident_service_pb";
import { ActionSchema } from "@contracts/remediation/v1/remediation_pb";
import { timestamp } from "../src/lib/time";
import { bandOf, gapMs, lateInWords, lineOf, marksOf, windowOf } from "../src/views/incident/signal-chart";

const T = 1_700_000_000_000;
const MINUTE = 60_000;

function recording(times: number[], intervalS = 10): SignalRecording {
  return create(SignalRecordingSchema, {
    anomaly: "a1",
    metric: "latency",
    dimension: "p95",
    usual: 1,
    usualHigh: 2,
    interval: { seconds: BigInt(intervalS), nanos: 0 },
    samples: times.map((at) => ({ time: timestamp(at), value: 3 })),
  });
}

describe("the window", () => {
  test("reaches from before the earliest sample to after the newest", () => {
    const window = windowOf([recording([T, T + 5 * MINUTE]), recording([T + MINUTE, T + 6 * MINUTE])], T + 2 * MINUTE, [], undefined);
    expect(window?.from).toBeLessThan(T);
    expect(window?.from).toBeGreaterThan(T - MINUTE);
    expect(window?.to).toBeGreaterThan(T + 6 * MINUTE);
    expect(window?.to).toBeLessThan(T + 7 * MINUTE);
  });

  test("begins at the onset where that is earlier, and is there without samples", () => {
    expect(windowOf([recording([T])], T - 3 * MINUTE, [], undefined)?.from).toBeLessThan(T - 3 * MINUTE);
    expect(windowOf([recording([])], T, [], undefined)).toBeDefined();
  });

  test("is nothing where nothing has a time", () => {
    expect(windowOf([recording([])], undefined, [], undefined)).toBeUndefined();
  });

  test("has room for what came shortly after, and not for what came much later", () => {
    const samples = [recording([T, T + 10 * MINUTE])];
    const mark = (at: number) => ({ at, label: "resolved", colour: "--well" });
    expect(windowOf(samples, T, [mark(T + 12 * MINUTE)], undefined)?.to).toBeGreaterThan(T + 12 * MINUTE);
    expect(windowOf(samples, T, [mark(T + 600 * MINUTE)], undefined)?.to).toBeLessThan(T + 12 * MINUTE);
  });

  test("shows how long nothing came, up to what detection has read", () => {
    expect(windowOf([recording([T, T + 10 * MINUTE])], T, [], T + 13 * MINUTE)?.to).toBeGreaterThan(T + 13 * MINUTE);
  });
});

test("marks are what happened, oldest first, and nothing that did not", () => {
  const incident = create(IncidentSchema, {
    state: State.RESOLVED,
    onsetTime: timestamp(T),
    detectTime: timestamp(T + MINUTE),
    endTime: timestamp(T + 9 * MINUTE),
  });
  const helped = create(ActionSchema, {
    spec: { type: "rollback" },
    executeTime: timestamp(T + 5 * MINUTE),
    recovery: { verdict: RecoveryVerdict.RECOVERED, wellSinceTime: timestamp(T + 6 * MINUTE) },
  });
  const vain = create(ActionSchema, {
    spec: { type: "restart" },
    executeTime: timestamp(T + 2 * MINUTE),
    recovery: { verdict: RecoveryVerdict.NOT_RECOVERED, wellSinceTime: timestamp(T + 3 * MINUTE) },
  });
  const never = create(ActionSchema, { spec: { type: "scale_out" } });
  const marks = marksOf(incident, [never, helped, vain]);
  expect(marks.map((mark) => mark.label)).toEqual(["onset", "detected", "restart", "rollback", "recovered", "resolved"]);
  expect(marks[4]?.at).toBe(T + 6 * MINUTE);
});

test("a recovery at the epoch was never measured, and is no mark", () => {
  const action = create(ActionSchema, { recovery: { verdict: RecoveryVerdict.RECOVERED, measuredTime: timestamp(0) } });
  expect(marksOf(create(IncidentSchema, {}), [action])).toEqual([]);
});

test("a gap is three intervals, and at least half a minute", () => {
  expect(gapMs(recording([], 60))).toBe(180_000);
  expect(gapMs(recording([], 1))).toBe(30_000);
});

test("a line has the samples, and a band only the sides that matter", () => {
  expect(lineOf(recording([T]))).toEqual({ label: "latency p95", points: [[T, 3]], gapMs: 30_000 });
  expect(bandOf(recording([]))).toEqual({ usual: 1, low: undefined, high: 2 });
});

describe("late data", () => {
  test("are said in words while the incident lives", () => {
    expect(lateInWords(recording([T]), T + 2 * MINUTE, true)).toMatch(/^No sample for 2m .*usually one comes every 10s/);
  });
  test("are not late within the usual time, after the end, and where nobody knows what was read", () => {
    expect(lateInWords(recording([T]), T + 20_000, true)).toBeUndefined();
    expect(lateInWords(recording([T]), T + 20 * MINUTE, false)).toBeUndefined();
    expect(lateInWords(recording([T]), undefined, true)).toBeUndefined();
  });
  test("without any sample are said by the chart", () => {
    expect(lateInWords(recording([]), T, true)).toBeUndefined();
  });
});
