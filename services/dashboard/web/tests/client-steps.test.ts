import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { IncidentSchema } from "@contracts/incident/v1/incident_pb";
import { type Step, STEPS_MAX, withStepsOf } from "../src/client/steps";

const incident = (name: string, seconds: readonly number[], title = name) =>
  create(IncidentSchema, { name, title, timeline: seconds.map((second) => ({ time: { seconds: BigInt(second) }, message: `${name} ${second}` })) });
const after = (...incidents: readonly ReturnType<typeof incident>[]) => incidents.reduce<readonly Step[]>(withStepsOf, []);
const messages = (steps: readonly Step[]) => steps.map((step) => step.entry.message);

describe("the latest steps", () => {
  it("are of all incidents, newest first", () =>
    expect(messages(after(incident("a", [1, 4]), incident("b", [2, 3])))).toEqual(["a 4", "b 3", "b 2", "a 1"]));
  it("are there once each, and have the newest title of their incident", () => {
    const steps = after(incident("a", [1]), incident("b", [2]), incident("a", [1, 3], "renamed"));
    expect(messages(steps)).toEqual(["a 3", "b 2", "a 1"]);
    expect(steps.map((step) => step.title)).toEqual(["renamed", "b", "renamed"]);
  });
  it("are no more than are shown, whatever happened", () => {
    const many = Array.from({ length: 40 }, (_, index) => incident(`i${index}`, [index, index + 100]));
    const steps = after(...many);
    expect(messages(steps)).toEqual(Array.from({ length: STEPS_MAX }, (_, index) => `i${39 - index} ${139 - index}`));
  });
});
