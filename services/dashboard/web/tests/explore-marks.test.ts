// @vitest-environment node
import { create } from "@bufbuild/protobuf";
import { ChangeKind, ChangeSchema } from "@contracts/telemetry/v1/telemetry_pb";
import { describe, expect, it } from "vitest";
import { marksOf } from "../src/views/explore/marks";

const change = (seconds: number, after = "2", subject = "cart") =>
  create(ChangeSchema, { time: { seconds: BigInt(seconds), nanos: 0 }, kind: ChangeKind.DEPLOYMENT, subject, after });

describe("marks of changes", () => {
  it("say what was changed, oldest first", () =>
    expect(marksOf([change(20, "3"), change(10, "")], 0)).toEqual([
      { at: 10_000, label: "deployment cart", colour: "--waiting" },
      { at: 20_000, label: "deployment cart 3", colour: "--waiting" },
    ]));
  it("stand once for what says the same at nearly the same time", () =>
    expect(marksOf([change(30), change(12), change(10)], 5_000).map((mark) => mark.at)).toEqual([10_000, 30_000]));
  it("stand each for what says something else", () => expect(marksOf([change(10, "2"), change(10, "3")], 5_000)).toHaveLength(2));
  it("are cut where their words are long", () =>
    expect(marksOf([change(10, "2", "a".repeat(80))], 0)[0]?.label).toHaveLength(36));
  it("are none for a change without a time", () => expect(marksOf([create(ChangeSchema, {})], 0)).toEqual([]));
});
