// What the cause can be, most likely first, and what is argued for and against it.

import { For, type JSX, Show } from "solid-js";
import { CauseKindSchema, type Diagnosis, DiagnosisState, DiagnosisStateSchema, type Hypothesis } from "@contracts/diagnosis/v1/diagnosis_pb";
import { enumName, lastPart, serviceName } from "../../lib/names";
import { millis, span } from "../../lib/time";
import { Moment } from "../../ui/moment";
import { Panel } from "../../ui/panel";
import { Citations } from "./citations";
import { elementOf, originName } from "./evidence";
import { Fact } from "./form";
import type { Model } from "./model";
import type { ShownParts } from "./shown";
import { sureness } from "./words";

export function DiagnosisPanel(props: { model: Model; shown: ShownParts }): JSX.Element {
  const all = () => props.model.diagnoses.value();
  return (
    <div id="part-diagnosis" tabindex="-1">
      <Panel
        title="Cause"
        aside={<Chooser all={all()} shown={props.shown} />}
        isLoading={props.model.diagnoses.isLoading()}
        error={props.model.diagnoses.error()}
        again={props.model.diagnoses.again}
        empty={all().length === 0 ? "No diagnosis was made yet." : undefined}
      >
        <Show when={props.shown.diagnosis()}>{(diagnosis) => <Body diagnosis={diagnosis()} shown={props.shown} />}</Show>
      </Panel>
    </div>
  );
}

/** Which diagnosis is looked at, where there are several. */
function Chooser(props: { all: readonly Diagnosis[]; shown: ShownParts }): JSX.Element {
  const chosen = () => props.shown.diagnosis()?.name ?? "";
  const choose = (name: string) => {
    const diagnosis = props.all.find((one) => one.name === name);
    if (diagnosis) props.shown.choose(diagnosis);
  };
  return (
    <Show when={props.all.length > 1}>
      <label class="row">
        <span class="muted">Diagnosis</span>
        <select onChange={(event) => choose(event.currentTarget.value)}>
          <For each={props.all}>
            {(one, index) => (
              <option value={one.name} selected={one.name === chosen()}>
                {one.ordinal || lastPart(one.name).slice(0, 8)}
                {index() === 0 ? ", the newest" : ""}
              </option>
            )}
          </For>
        </select>
      </label>
    </Show>
  );
}

function Body(props: { diagnosis: Diagnosis; shown: ShownParts }): JSX.Element {
  const took = () => {
    const [from, to] = [millis(props.diagnosis.createTime), millis(props.diagnosis.endTime)];
    return from === undefined || to === undefined ? undefined : span(to - from);
  };
  return (
    <div class="stack" data-diagnosis={lastPart(props.diagnosis.name)}>
      <p class="row">
        <span class={`badge ${CLASS_OF_STATE[props.diagnosis.state]}`}>{enumName(DiagnosisStateSchema, props.diagnosis.state)}</span>
        <span class="muted">
          made at <Moment time={props.diagnosis.createTime} />
          <Show when={took()}>{(took) => <> within {took()}</>}</Show>, from what was measured up to{" "}
          <Moment time={props.diagnosis.evidenceTime} />
        </span>
      </p>
      <Show when={props.diagnosis.state === DiagnosisState.RUNNING}>
        <p class="muted">The evidence is being looked at.</p>
      </Show>
      <Show when={props.diagnosis.reason}>
        <p class="troubled">{props.diagnosis.reason}</p>
      </Show>
      <Show when={props.diagnosis.rootCause}>
        <p class="root-cause">{props.diagnosis.rootCause}</p>
      </Show>
      <ol class="hypotheses">
        <For each={props.diagnosis.hypotheses.map((one) => one.id)}>
          {(id) => (
            <Show when={props.diagnosis.hypotheses.find((one) => one.id === id)}>
              {(hypothesis) => <OneHypothesis hypothesis={hypothesis()} shown={props.shown} />}
            </Show>
          )}
        </For>
      </ol>
      <Gaps diagnosis={props.diagnosis} />
    </div>
  );
}

const CLASS_OF_STATE: Record<DiagnosisState, string> = {
  [DiagnosisState.UNSPECIFIED]: "unknown",
  [DiagnosisState.RUNNING]: "waiting",
  [DiagnosisState.SUCCEEDED]: "well",
  [DiagnosisState.UNRESOLVED]: "troubled",
  [DiagnosisState.FAILED]: "troubled",
};

function OneHypothesis(props: { hypothesis: Hypothesis; shown: ShownParts }): JSX.Element {
  const where = () => {
    const origin = originName(props.hypothesis.origin);
    return [serviceName(props.hypothesis.service), origin].filter(Boolean).join(", ");
  };
  return (
    <li class="hypothesis" id={elementOf.hypothesis(props.hypothesis.id)} data-hypothesis={props.hypothesis.id} tabindex="-1">
      <h3>
        <span class="muted">{props.hypothesis.id}</span> {props.hypothesis.statement}
      </h3>
      <Confidence value={props.hypothesis.confidence} label={`Confidence of ${props.hypothesis.id}`} />
      <dl class="facts">
        <Fact name="Kind">{enumName(CauseKindSchema, props.hypothesis.cause)}</Fact>
        <Fact name="Where">{where()}</Fact>
        <Fact name="Tells most" when={props.hypothesis.metric}>
          <code>{props.hypothesis.metric}</code>
        </Fact>
        <Fact name="Dependency" when={props.hypothesis.dependency}>
          <code>{props.hypothesis.dependency}</code>
        </Fact>
        <Fact name="Do now" when={props.hypothesis.immediateFix}>
          {props.hypothesis.immediateFix}
        </Fact>
        <Fact name="Change for good" when={props.hypothesis.longTermFix}>
          {props.hypothesis.longTermFix}
        </Fact>
      </dl>
      <Citations label="For it" ids={props.hypothesis.supportingEvidence} shown={props.shown} />
      <Citations label="Against it" ids={props.hypothesis.contradictingEvidence} shown={props.shown} class="against" />
    </li>
  );
}

/** From 0 to 1, as a number and as a bar. */
export function Confidence(props: { value: number; label: string }): JSX.Element {
  return (
    <div class="confidence">
      <meter min="0" max="1" value={props.value} aria-label={props.label}>
        {sureness(props.value)}
      </meter>
      <span>
        {props.value.toFixed(2)} <span class="muted">({sureness(props.value)})</span>
      </span>
    </div>
  );
}

/** What could not be looked at: its absence proves nothing. */
function Gaps(props: { diagnosis: Diagnosis }): JSX.Element {
  return (
    <Show when={props.diagnosis.gaps.length}>
      <div class="gaps">
        <h3>Not known</h3>
        <ul>
          <For each={props.diagnosis.gaps}>
            {(gap) => (
              <li>
                <strong>{gap.subject}</strong>: {gap.reason}
              </li>
            )}
          </For>
        </ul>
      </div>
    </Show>
  );
}
