// @vitest-environment node
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { IncidentSchema, JudgementKind, ResolutionReason, State } from "@contracts/incident/v1/incident_pb";
import { describe, expect, it } from "vitest";
import {
  countBy,
  detectedAfter,
  diagnosedAfter,
  isFalseAlarm,
  recoveredAfter,
  spread,
} from "../src/views/history/measures";

const at = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 });
const incident = (fields: MessageInitShape<typeof IncidentSchema> = {}) =>
  create(IncidentSchema, { name: "incidents/1", onsetTime: at(100), ...fields });
const entry = (seconds: number, message: string, resource: string) => ({ time: at(seconds), message, resource });

describe("times of an incident", () => {
  it("are counted from the onset", () => expect(detectedAfter(incident({ detectTime: at(130) }))).toBe(30_000));
  it("are absent where something is missing", () => {
    expect(detectedAfter(incident())).toBeUndefined();
    expect(detectedAfter(create(IncidentSchema, { detectTime: at(1) }))).toBeUndefined();
  });
  it("are absent where clocks contradict each other", () => expect(detectedAfter(incident({ detectTime: at(90) }))).toBeUndefined());

  it("to the diagnosis end with the first that was finished", () => {
    const timeline = [
      entry(110, "detected", ""),
      entry(120, "diagnosis started", "incidents/1/diagnoses/a"),
      entry(150, "diagnosis finished", "incidents/1/diagnoses/a"),
      entry(170, "diagnosis finished", "incidents/1/diagnoses/b"),
    ];
    expect(diagnosedAfter(incident({ timeline }))).toBe(50_000);
  });
  it("to the diagnosis are absent where it gave nothing, or others speak of it", () => {
    const timeline = [
      entry(120, "diagnosis unresolved: no evidence", "incidents/1/diagnoses/a"),
      entry(130, "diagnosis finished", ""),
      entry(140, "waits for approval: restart", "incidents/1/actions/c"),
    ];
    expect(diagnosedAfter(incident({ timeline }))).toBeUndefined();
  });

  it.each([
    [State.RESOLVED, ResolutionReason.MEASURED, 300_000],
    [State.RESOLVED, ResolutionReason.SELF_RECOVERED, 300_000],
    [State.RESOLVED, ResolutionReason.MANUAL, undefined],
    [State.RESOLVED, ResolutionReason.FALSE_POSITIVE, undefined],
    [State.VERIFYING, ResolutionReason.MEASURED, undefined],
  ])("to recovery in state %s with reason %s", (state, reason, expected) =>
    expect(recoveredAfter(incident({ state, resolution: { reason }, endTime: at(400) }))).toBe(expected),
  );
});

describe("false alarms", () => {
  it("are what a person said there was nothing to", () => {
    expect(isFalseAlarm(incident({ resolution: { reason: ResolutionReason.FALSE_POSITIVE } }))).toBe(true);
    expect(isFalseAlarm(incident({ judgement: { kind: JudgementKind.FALSE_ALARM } }))).toBe(true);
    expect(isFalseAlarm(incident({ resolution: { reason: ResolutionReason.MANUAL } }))).toBe(false);
    expect(isFalseAlarm(incident())).toBe(false);
  });
  it("are none any more where a later verdict says so", () =>
    expect(
      isFalseAlarm(
        incident({
          resolution: { reason: ResolutionReason.FALSE_POSITIVE },
          judgement: { kind: JudgementKind.OTHER_CAUSE },
        }),
      ),
    ).toBe(false));
});

describe("spread", () => {
  it("leaves out what is absent, and counts it", () =>
    expect(spread([10, undefined, 20, 60, undefined])).toEqual({ mean: 30, median: 20, count: 3, absent: 2 }));
  it("takes the middle of an even number", () => expect(spread([4, 1, 3, 2]).median).toBe(2.5));
  it("takes zero for a value", () => expect(spread([0])).toEqual({ mean: 0, median: 0, count: 1, absent: 0 }));
  it("has none of none", () =>
    expect(spread([undefined])).toEqual({ mean: undefined, median: undefined, count: 0, absent: 1 }));
});

describe("counts", () => {
  it("are in order of what is counted", () =>
    expect([...countBy([3, 1, 3, 2, 3], (one) => one)]).toEqual([
      [1, 1],
      [2, 1],
      [3, 3],
    ]));
});
