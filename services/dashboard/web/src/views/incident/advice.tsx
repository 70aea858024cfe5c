// What a language model said of the diagnosis. It is text, and decides nothing.

import { For, type JSX, Match, Show, Switch } from "solid-js";
import { type Advice, AdviceFailure, AdviceFailureSchema, AdviceState, AdviceStateSchema, type ModelUse } from "@contracts/diagnosis/v1/advice_pb";
import { seconds } from "../../lib/format";
import { enumName } from "../../lib/names";
import { Command } from "../../ui/command";
import { Ago } from "../../ui/moment";
import { Panel } from "../../ui/panel";
import { Citations } from "./citations";
import { Confidence } from "./diagnosis";
import { elementOf } from "./evidence";
import { Fact } from "./form";
import type { Model } from "./model";
import { onReveal } from "./reveal";
import type { ShownParts } from "./shown";
import { sureness } from "./words";

/** Millionths in one. */
const MICROS = 1e6;

export function AdvicePanel(props: { model: Model; shown: ShownParts }): JSX.Element {
  const advice = () => props.shown.diagnosis()?.advice;
  return (
    <Panel
      title="A language model's advice"
      class="advice"
      aside={<Show when={advice()}>{(advice) => <StateOf advice={advice()} />}</Show>}
      isLoading={props.model.diagnoses.isLoading()}
      error={props.model.diagnoses.error()}
      empty={advice() ? undefined : "No model was asked: none is configured, or there was nothing to ask."}
    >
      <Show when={advice()}>{(advice) => <Body advice={advice()} shown={props.shown} />}</Show>
    </Panel>
  );
}

function StateOf(props: { advice: Advice }): JSX.Element {
  const name = () => enumName(AdviceStateSchema, props.advice.state);
  return (
    <span class={`badge ${props.advice.state === AdviceState.GIVEN ? "" : "unknown"}`} data-advice-state={AdviceState[props.advice.state]}>
      {name()}
    </span>
  );
}

function Body(props: { advice: Advice; shown: ShownParts }): JSX.Element {
  const name = () => props.shown.diagnosis()?.name ?? "";
  return (
    <div class="stack">
      <p class="notice">
        <strong>Advice only.</strong> These are a language model's words. They decide nothing: what is done follows from the
        evidence, the catalogue and the policy.
      </p>
      <Switch>
        <Match when={props.advice.state === AdviceState.PENDING}>
          <p class="muted">
            A model is to be asked, or is being asked
            <Show when={props.advice.startTime}>
              , since <Ago time={props.advice.startTime} />
            </Show>
            . Nothing waits for it.
          </p>
        </Match>
        <Match when={props.advice.state === AdviceState.WITHHELD}>
          <p>
            There is none (
            {props.advice.failure === AdviceFailure.UNSPECIFIED ? "no reason stated" : enumName(AdviceFailureSchema, props.advice.failure)}
            ): {props.advice.reason}. The diagnosis stands without.
          </p>
        </Match>
        <Match when={props.advice.state === AdviceState.GIVEN}>
          <Given advice={props.advice} shown={props.shown} />
        </Match>
      </Switch>
      <Show when={props.advice.rejectedClaims.length}>
        <div>
          <h3>Not believed: it was not shown this</h3>
          <ul class="claims">
            <For each={props.advice.rejectedClaims}>{(claim) => <li>{claim}</li>}</For>
          </ul>
        </div>
      </Show>
      <Show when={props.advice.model}>{(used) => <Used used={used()} />}</Show>
      <Command line={`llm-sre exchanges ${name()}`} />
    </div>
  );
}

function Given(props: { advice: Advice; shown: ShownParts }): JSX.Element {
  const isCapped = () => props.advice.confidence < props.advice.statedConfidence;
  return (
    <>
      <dl class="facts">
        <Fact name="Root cause">{props.advice.rootCause}</Fact>
        <Fact name="Do now" when={props.advice.immediateFix}>
          {props.advice.immediateFix}
        </Fact>
        <Fact name="Change for good" when={props.advice.longTermFix}>
          {props.advice.longTermFix}
        </Fact>
        <Fact name="Would take">
          <Show when={props.advice.proposedAction} fallback="no action">
            <code>{props.advice.proposedAction}</code> <span class="muted">(not ordered by this)</span>
          </Show>
        </Fact>
        <Fact name="Most likely first">
          <For each={props.advice.hypothesisOrder}>
            {(id) => (
              <a class="spaced" href={`#${elementOf.hypothesis(id)}`} onClick={onReveal(elementOf.hypothesis(id))}>
                {id}
              </a>
            )}
          </For>
        </Fact>
      </dl>
      <Confidence value={props.advice.confidence} label="Confidence of the advice" />
      <Show when={isCapped()}>
        <p class="muted">
          It said {props.advice.statedConfidence.toFixed(2)} ({sureness(props.advice.statedConfidence)}); the evidence bears no more.
        </p>
      </Show>
      <Citations label="Argues from" ids={props.advice.citedEvidence} shown={props.shown} />
    </>
  );
}

function Used(props: { used: ModelUse }): JSX.Element {
  const answering = () => {
    const { answeringModel, requestedModel } = props.used;
    return answeringModel && answeringModel !== requestedModel ? `, answered by ${answeringModel}` : "";
  };
  const cost = () => (props.used.costMicros === 0n ? "no prices are configured, or it cost nothing" : (Number(props.used.costMicros) / MICROS).toFixed(4));
  return (
    <dl class="facts">
      <Fact name="Model">
        {props.used.requestedModel}
        {answering()} <span class="muted">({props.used.provider})</span>
      </Fact>
      <Fact name="Prompt">{props.used.prompt}</Fact>
      <Fact name="Asked">
        {askedInWords(props.used)}
      </Fact>
      <Fact name="Tokens">
        {props.used.inputTokens.toString()} asked, {props.used.outputTokens.toString()} answered
      </Fact>
      <Fact name="Cost">{cost()}</Fact>
    </dl>
  );
}

function askedInWords(used: ModelUse): string {
  if (used.requests === 0) return "not at all: an answer to the same question was at hand";
  return `${used.requests === 1 ? "once" : `${used.requests} times`}, within ${seconds(Number(used.durationMs) / 1000)}`;
}
