// What was done or is to be done, newest first, and what a person may say to it.

import { createEffect, createMemo, For, type JSX, on, Show } from "solid-js";
import { CauseKindSchema } from "@contracts/diagnosis/v1/diagnosis_pb";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import { type Action, ActionState, ActionStateSchema, BlockReasonSchema, type PersonReason } from "@contracts/remediation/v1/remediation_pb";
import { enumName, lastPart, shortId } from "../../lib/names";
import { setQuery } from "../../lib/route";
import { durationMillis, span } from "../../lib/time";
import { Keyed } from "../../ui/keyed";
import { Countdown, Moment } from "../../ui/moment";
import { Panel } from "../../ui/panel";
import { mayDecide } from "../../client/session";
import { ForWhoDecides } from "../../ui/may";
import { CancelForm, DecideForm, RollBackForm } from "./decide";
import { elementOf } from "./evidence";
import { Fact, Outcome } from "./form";
import type { Model } from "./model";
import { Recovery } from "./recovery";
import { onReveal } from "./reveal";
import type { ShownParts } from "./shown";
import { createSubmit, keepFocus } from "./submit";
import { AUTONOMY_IN_WORDS, byWhom, PERSON_REASON_IN_WORDS, RADIUS_IN_WORDS, REVERSIBILITY_IN_WORDS, sureness, whatIsDone } from "./words";

interface ActionsProps {
  model: Model;
  incident: Incident;
  shown: ShownParts;
}

export function ActionsPanel(props: ActionsProps): JSX.Element {
  const all = () => props.model.actions.value();
  return (
    <div id="part-actions" tabindex="-1">
      <Panel
        title="Repairs"
        aside={<span class="muted">{all().length || ""}</span>}
        isLoading={props.model.actions.isLoading()}
        error={props.model.actions.error()}
        again={props.model.actions.again}
        empty={all().length === 0 ? "No repair was planned." : undefined}
      >
        <ol class="actions">
          <Keyed each={all()} by={(action) => action.name}>
            {(action, _, index) => <OneAction action={action()} isNewest={index() === 0} {...props} />}
          </Keyed>
        </ol>
      </Panel>
    </div>
  );
}

const CLASS_OF_STATE: Partial<Record<ActionState, string>> = {
  [ActionState.AWAITING_APPROVAL]: "waiting",
  [ActionState.SUCCEEDED]: "well",
  [ActionState.INEFFECTIVE]: "troubled",
  [ActionState.FAILED]: "troubled",
  [ActionState.UNKNOWN]: "troubled",
  [ActionState.BLOCKED]: "troubled",
  [ActionState.ROLLBACK_FAILED]: "troubled",
  [ActionState.REJECTED]: "unknown",
  [ActionState.EXPIRED]: "unknown",
  [ActionState.CANCELLED]: "unknown",
};

const CANCELLABLE: readonly ActionState[] = [ActionState.SUGGESTED, ActionState.AWAITING_APPROVAL, ActionState.APPROVED];

function OneAction(props: ActionsProps & { action: Action; isNewest: boolean }): JSX.Element {
  const state = () => props.action.state;
  // What lives may need a person, also where it is not the newest.
  const isOpen = createMemo(() => props.isNewest || props.action.endTime === undefined);
  const submit = createSubmit();
  const decide = () => ({ action: props.action, model: props.model, submit });
  let whole: HTMLDetailsElement | undefined;
  createEffect(on(submit.done, (done) => done && keepFocus(whole)));
  return (
    <li data-action={props.action.name} data-action-state={ActionState[state()]}>
      <details id={elementOf.action(props.action.name)} class="action" tabindex="-1" ref={whole} open={isOpen()}>
        <summary>
          <h3>{whatIsDone(props.action)}</h3> <span class={`badge ${CLASS_OF_STATE[state()] ?? ""}`}>{enumName(ActionStateSchema, state())}</span>{" "}
          <span class="muted">attempt {props.action.attempt}</span>
        </summary>
        <div class="stack">
          <Show when={props.action.rationale}>
            <p>{props.action.rationale}</p>
          </Show>
          <Show when={props.action.outcome}>
            <p>
              <strong>{props.action.outcome}</strong>
            </p>
          </Show>
          <Waiting action={props.action} />
          <Blocks action={props.action} />
          <Show when={props.action.recovery}>
            {(recovery) => <Recovery recovery={recovery()} incident={props.incident} shown={props.shown} isLive={state() === ActionState.VERIFYING} />}
          </Show>
          <Show when={state() === ActionState.VERIFYING && !props.action.recovery}>
            <p class="muted">Recovery is being measured; there is no measurement yet, which is not the same as well.</p>
          </Show>
          <Show when={state() === ActionState.AWAITING_APPROVAL}>
            <ForWhoDecides>
              <DecideForm {...decide()} />
            </ForWhoDecides>
          </Show>
          <Show when={state() === ActionState.VERIFYING && mayDecide()}>
            <RollBackForm {...decide()} />
          </Show>
          <Outcome of={submit} />
          <Plan action={props.action} />
          <Show when={CANCELLABLE.includes(state()) && mayDecide()}>
            <CancelForm {...decide()} />
          </Show>
        </div>
      </details>
    </li>
  );
}

const inWordsOf = (reasons: readonly PersonReason[]) => reasons.map((reason) => PERSON_REASON_IN_WORDS[reason]).join("; ");

function Waiting(props: { action: Action }): JSX.Element {
  return (
    <Show when={!props.action.endTime && props.action.deadlineTime}>
      {(deadline) => (
        <p class="waiting">
          This state is given up in <Countdown until={deadline()} over="no time: it is due" />, at <Moment time={deadline()} />.
        </p>
      )}
    </Show>
  );
}

/** The rules that forbid it. */
function Blocks(props: { action: Action }): JSX.Element {
  return (
    <Show when={props.action.blocks.length}>
      <ul class="blocks">
        <For each={props.action.blocks}>
          {(block) => (
            <li>
              <strong class="troubled">Blocked by {enumName(BlockReasonSchema, block.reason)}</strong>: {block.detail}
            </li>
          )}
        </For>
      </ul>
    </Show>
  );
}

/** What is planned, on which ground, and within which bounds. */
function Plan(props: { action: Action }): JSX.Element {
  const state = () => Object.entries(props.action.targetState).sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <dl class="facts">
      <Fact name="Against">
        {enumName(CauseKindSchema, props.action.cause)}, {sureness(props.action.confidence)} <Follows action={props.action} />
      </Fact>
      <Fact name="Autonomy">{AUTONOMY_IN_WORDS[props.action.autonomy]}</Fact>
      <Fact name="Policy" when={props.action.policyRule}>
        {props.action.policyRule}
      </Fact>
      <Fact name="Needs a person" when={props.action.personReasons.length}>
        {inWordsOf(props.action.personReasons)}
      </Fact>
      <Fact name="Reversibility">{REVERSIBILITY_IN_WORDS[props.action.reversibility]}</Fact>
      <Fact name="Touches">{RADIUS_IN_WORDS[props.action.blastRadius]}</Fact>
      <Fact name="Dry run">
        <Show when={state().length} fallback="the target said nothing of itself">
          the target said of itself:
          <ul>
            <For each={state()}>
              {([name, value]) => (
                <li>
                  <code>
                    {name}={value}
                  </code>
                </li>
              )}
            </For>
          </ul>
        </Show>
      </Fact>
      <Fact name="Verification" when={props.action.verification}>
        {verificationInWords(props.action)}
      </Fact>
      <Fact name="Decision" when={props.action.decision}>
        <Show when={props.action.decision}>
          {(decision) => (
            <>
              {decision().approved ? "approved" : "rejected"} by {byWhom(decision().actor)} at <Moment time={decision().time} />
              <Show when={decision().note}>: “{decision().note}”</Show>
            </>
          )}
        </Show>
      </Fact>
      <Fact name="Planned">
        <Moment time={props.action.createTime} />
      </Fact>
      <Fact name="Carried out" when={props.action.executeTime}>
        <Moment time={props.action.executeTime} />
      </Fact>
      <Fact name="Ended" when={props.action.endTime}>
        <Moment time={props.action.endTime} />
      </Fact>
      <Fact name="Digest">
        <Digest digest={props.action.digest} />
      </Fact>
    </dl>
  );
}

/** The diagnosis and the hypothesis that it follows, as a link that shows them. */
function Follows(props: { action: Action }): JSX.Element {
  const id = () => lastPart(props.action.diagnosis);
  const show = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    setQuery({ diagnosis: id() });
    onReveal(elementOf.hypothesis(props.action.hypothesis))(event);
  };
  return (
    <Show when={props.action.diagnosis}>
      <a href={`?diagnosis=${id()}#${elementOf.hypothesis(props.action.hypothesis)}`} onClick={show}>
        {props.action.hypothesis || "hypothesis"} of diagnosis {shortId(props.action.diagnosis)}
      </a>
    </Show>
  );
}

/** Short; the whole of it for who compares. */
function Digest(props: { digest: string }): JSX.Element {
  return (
    <Show when={props.digest} fallback="none">
      <details>
        <summary>
          <code>{props.digest.slice(0, 12)}…</code>
        </summary>
        <code class="whole">{props.digest}</code>
      </details>
    </Show>
  );
}

export function verificationInWords(action: Action): string {
  const { verification } = action;
  const length = (of: Parameters<typeof durationMillis>[0]) => span(durationMillis(of) ?? 0);
  if (!verification) return "";
  return (
    `its signals are trusted ${length(verification.settleDuration)} after the target is done with it, have to be in their ranges ` +
    `for ${length(verification.measureDuration)}, and no recovery within ${length(verification.deadlineDuration)} counts as none`
  );
}
