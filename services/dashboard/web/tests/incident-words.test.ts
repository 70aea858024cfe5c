import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { EscalationReason, type Incident, IncidentSchema, ResolutionReason, State } from "@contracts/incident/v1/incident_pb";
import { type Action, ActionSchema, ActionState } from "@contracts/remediation/v1/remediation_pb";
import { clock, timestamp } from "../src/lib/time";
import { commandsOf, traceIdOf } from "../src/views/incident/commands";
import { headline, whatIsDone, whoSuffers } from "../src/views/incident/words";

const ONSET = Date.UTC(2026, 10, 30, 12, 0, 0);
const NOW = ONSET + 300_000;
const service = (name: string) => ({ name, namespace: "", environment: "production" });

function incident(over: Parameters<typeof create<typeof IncidentSchema>>[1] = {}): Incident {
  return create(IncidentSchema, {
    name: "incidents/0190f0a4-1111-4222-8333-444455556666",
    title: "checkout@production: latency up to 2 s (usually 200 ms)",
    service: service("checkout"),
    state: State.OPEN,
    onsetTime: timestamp(ONSET),
    ...over,
  });
}

function action(state: ActionState): Action {
  return create(ActionSchema, {
    name: "incidents/0190f0a4-1111-4222-8333-444455556666/actions/a1",
    state,
    digest: "d1",
    spec: { type: "restart", target: service("checkout"), parameters: { wait: "5s", instance: "c1" } },
  });
}

describe("the headline", () => {
  test("says what, since when, who suffers and what is done", () => {
    const said = headline(
      incident({ state: State.AWAITING_APPROVAL, impacts: [{ service: service("web") }] }),
      action(ActionState.AWAITING_APPROVAL),
      NOW,
    );
    expect(said).toBe(
      `checkout@production: latency up to 2 s (usually 200 ms), since ${clock(ONSET)}; web@production suffers too; ` +
        "restart checkout@production instance=c1 wait=5s waits for a person's approval.",
    );
  });

  test("says who takes care, and why a person must", () => {
    const said = headline(
      incident({
        state: State.ESCALATED,
        escalationReason: EscalationReason.ATTEMPTS_EXHAUSTED,
        acknowledgement: { actor: "ada" },
      }),
      undefined,
      NOW,
    );
    expect(said).toContain("a person must take over, because every attempt that policy allows was made");
    expect(said).toMatch(/; ada takes care\.$/);
  });

  test("of a plan that waits says for what, whatever the state", () => {
    const said = headline(incident({ state: State.REMEDIATING, planWaitsFor: "freeze until 14:00" }), action(ActionState.APPROVED), NOW);
    expect(said).toContain("is planned and waits: freeze until 14:00");
  });

  test("of one that ended says until when and how, in the past", () => {
    const end = ONSET + 120_000;
    const said = headline(
      incident({
        state: State.RESOLVED,
        endTime: timestamp(end),
        resolution: { reason: ResolutionReason.MEASURED, actor: "llm-sre" },
        acknowledgement: { actor: "ada" },
      }),
      action(ActionState.SUCCEEDED),
      NOW,
    );
    expect(said).toContain(`from ${clock(ONSET)} until ${clock(end)}; no other service suffered; recovery was measured after a repair`);
    expect(said).not.toContain("takes care");
  });
});

describe("who suffers", () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => ({ service: service(`s${index}`) }));
  test.each([
    [0, "no other service suffers"],
    [1, "s0@production suffers too"],
    [2, "s0@production and s1@production suffer too"],
    [3, "s0@production, s1@production and s2@production suffer too"],
    [7, "s0@production, s1@production and 5 more suffer too"],
  ])("%i services", (count, said) => {
    expect(whoSuffers(incident({ impacts: names(count) }))).toBe(said);
  });
});

test("an action without a specification is not made up", () => {
  expect(whatIsDone(create(ActionSchema, {}))).toBe("an action that is not stated");
});

test("the trace id is the incident's without hyphens", () => {
  expect(traceIdOf("incidents/0190f0a4-1111-4222-8333-444455556666")).toBe("0190f0a4111142228333444455556666");
});

test("commands approve exactly the digest that is shown, and offer no approval where nothing waits", () => {
  const { name } = incident();
  const waiting = action(ActionState.AWAITING_APPROVAL);
  expect(commandsOf(name, false, waiting)).toContain(`llm-sre actions approve ${waiting.name} --digest d1`);
  expect(commandsOf(name, true, undefined).join("\n")).not.toMatch(/approve|ack/);
});
