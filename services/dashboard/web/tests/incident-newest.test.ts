import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ActionSchema, ActionState } from "@contracts/remediation/v1/remediation_pb";
import { timestamp } from "../src/lib/time";
import { newest, together } from "../src/views/incident/newest";

const T = 1_700_000_000_000;
const action = (id: string, state: ActionState, created: number, updated: number) =>
  create(ActionSchema, { name: `incidents/i/actions/${id}`, state, createTime: timestamp(created), updateTime: timestamp(updated) });

test("the state that changed last counts, whichever way it came", () => {
  const [before, after] = [action("a", ActionState.AWAITING_APPROVAL, T, T), action("a", ActionState.APPROVED, T, T + 1)];
  expect(newest([before, after])?.state).toBe(ActionState.APPROVED);
  expect(newest([after, before])?.state).toBe(ActionState.APPROVED);
});

test("of states of one time the first source counts", () => {
  const [first, second] = [action("a", ActionState.EXECUTING, T, T), action("a", ActionState.APPROVED, T, T)];
  expect(newest([undefined, first, second])?.state).toBe(ActionState.EXECUTING);
  expect(newest([undefined])).toBeUndefined();
});

test("each resource is there once, the newest first", () => {
  const [old, young] = [action("a", ActionState.FAILED, T, T + 9), action("b", ActionState.VERIFYING, T + 1, T + 2)];
  const all = together([[old], [young, action("a", ActionState.EXECUTING, T, T + 3)]]);
  expect(all.map((one) => [one.name.slice(-1), one.state])).toEqual([
    ["b", ActionState.VERIFYING],
    ["a", ActionState.FAILED],
  ]);
});
