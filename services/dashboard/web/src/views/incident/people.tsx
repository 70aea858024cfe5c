// What people say of the incident: that they take care, that it is over, and what it was.

import { createEffect, createSignal, createUniqueId, For, type JSX, on, Show } from "solid-js";
import { mayDecide } from "../../client/session";
import { CauseKind, CauseKindSchema, type Incident, JudgementKind, ResolutionReason } from "@contracts/incident/v1/incident_pb";
import { incidents } from "../../client/api";
import { hasEnded, live } from "../../client/live";
import { enumName, parseService, serviceName, shortId } from "../../lib/names";
import { Ago } from "../../ui/moment";
import { Panel } from "../../ui/panel";
import { judgementInWords } from "./evidence";
import { AskButton, NoteField, Outcome } from "./form";
import type { Model } from "./model";
import { createSubmit, keepFocus, type Submit } from "./submit";
import { byWhom } from "./words";

interface PeopleProps {
  model: Model;
  incident: Incident;
}

export function People(props: PeopleProps): JSX.Element {
  let part: HTMLDivElement | undefined;
  // What it was asked by is gone once the incident has ended.
  const resolving = createSubmit();
  createEffect(on(resolving.done, (done) => done && keepFocus(part)));
  return (
    <div id="part-people" tabindex="-1" ref={part}>
      <Panel title="People" error={props.model.incident.error()}>
        <div class="stack people">
          <Acknowledge {...props} />
          <Show when={!hasEnded(props.incident) && mayDecide()}>
            <Resolve {...props} submit={resolving} />
          </Show>
          <Outcome of={resolving} />
          <Judge {...props} />
        </div>
      </Panel>
    </div>
  );
}

function Acknowledge(props: PeopleProps): JSX.Element {
  const submit = createSubmit();
  const [note, setNote] = createSignal("");
  const acknowledge = async (event: SubmitEvent) => {
    event.preventDefault();
    const { name, etag } = props.incident;
    const said = note();
    const worked = await submit.run(`acknowledge ${said}`, "Noted.", async (requestId) => {
      props.model.answered.incident(await incidents.acknowledgeIncident({ name, etag, note: said, requestId }));
    });
    if (worked) setNote("");
  };
  return (
    <section aria-labelledby="people-acknowledge">
      <h3 id="people-acknowledge">Who takes care</h3>
      <Show when={props.incident.acknowledgement} fallback={<p class="muted">Nobody said that they do.</p>}>
        {(taken) => (
          <p>
            {byWhom(taken().actor)}, <Ago time={taken().time} />
            <Show when={taken().note}>: “{taken().note}”</Show>
          </p>
        )}
      </Show>
      <Show when={!hasEnded(props.incident) && mayDecide()}>
        <form class="stack" onSubmit={(event) => void acknowledge(event)}>
          <NoteField label="Note (optional)" value={note()} onInput={setNote} />
          <div class="row">
            <AskButton of={submit}>I take care</AskButton>
            <span class="muted">stops reminders, changes nothing else</span>
          </div>
        </form>
      </Show>
      <Outcome of={submit} />
    </section>
  );
}

function Resolve(props: PeopleProps & { submit: Submit }): JSX.Element {
  const [note, setNote] = createSignal("");
  const [reason, setReason] = createSignal(ResolutionReason.MANUAL);
  const group = createUniqueId();
  const resolve = async (event: SubmitEvent) => {
    event.preventDefault();
    const { name, etag } = props.incident;
    const [said, why] = [note(), reason()];
    await props.submit.run(`resolve ${why} ${said}`, "It is over.", async (requestId) => {
      props.model.answered.incident(await incidents.resolveIncident({ name, etag, reason: why, note: said, requestId }));
    });
  };
  const choice = (value: ResolutionReason, label: string) => (
    <label class="choice">
      <input type="radio" name={group} checked={reason() === value} onChange={() => setReason(value)} /> {label}
    </label>
  );
  return (
    <details>
      <summary>End it by hand</summary>
      <form class="stack" onSubmit={(event) => void resolve(event)}>
        <fieldset>
          <legend>Why it is over</legend>
          {choice(ResolutionReason.MANUAL, "It was a problem, and is over")}
          {choice(ResolutionReason.FALSE_POSITIVE, "There was nothing: a false alarm")}
        </fieldset>
        <NoteField label="Note (optional)" value={note()} onInput={setNote} />
        <div class="row">
          <AskButton of={props.submit} class="danger">
            End the incident
          </AskButton>
          <span class="muted">withdraws repairs that wait; recovery is not measured for it</span>
        </div>
      </form>
    </details>
  );
}

const KINDS = Object.values(CauseKind).filter((kind): kind is CauseKind => typeof kind === "number" && kind !== CauseKind.UNSPECIFIED);

function Judge(props: PeopleProps): JSX.Element {
  const submit = createSubmit();
  const [note, setNote] = createSignal("");
  const [kind, setKind] = createSignal<JudgementKind>();
  const [service, setService] = createSignal(serviceName(props.incident.service));
  const [cause, setCause] = createSignal(CauseKind.UNSPECIFIED);
  const group = createUniqueId();
  const judge = async (event: SubmitEvent) => {
    event.preventDefault();
    const chosen = kind();
    if (chosen === undefined) return;
    const { name, etag } = props.incident;
    const other = chosen === JudgementKind.OTHER_CAUSE ? { service: parseService(service()), kind: cause() } : undefined;
    const said = note();
    const worked = await submit.run(`judge ${chosen} ${JSON.stringify(other)} ${said}`, "Noted.", async (requestId) => {
      const request = { name, etag, kind: chosen, note: said, requestId, ...(other ? { cause: other } : {}) };
      props.model.answered.incident(await incidents.judgeIncident(request));
    });
    if (worked) setNote("");
  };
  const choice = (value: JudgementKind, label: string) => (
    <label class="choice">
      <input type="radio" name={group} required checked={kind() === value} onChange={() => setKind(value)} /> {label}
    </label>
  );
  return (
    <section aria-labelledby="people-judge">
      <h3 id="people-judge">What it was</h3>
      <Verdict incident={props.incident} />
      <Show when={mayDecide()}>
      <details>
        <summary>Say what it was</summary>
        <form class="stack" onSubmit={(event) => void judge(event)}>
          <fieldset>
            <legend>It weighs in later diagnoses, and changes nothing here</legend>
            <Show when={props.incident.diagnosis} fallback={<p class="muted">There is no diagnosis that could be confirmed.</p>}>
              {choice(JudgementKind.CONFIRMED, "Its newest diagnosis is right")}
            </Show>
            {choice(JudgementKind.FALSE_ALARM, "A false alarm: there was nothing")}
            {choice(JudgementKind.OTHER_CAUSE, "Another cause")}
          </fieldset>
          <Show when={kind() === JudgementKind.OTHER_CAUSE}>
            <OtherCause service={service()} onService={setService} cause={cause()} onCause={setCause} />
          </Show>
          <NoteField label="Note (optional)" value={note()} onInput={setNote} />
          <div class="row">
            <AskButton of={submit}>Give this verdict</AskButton>
          </div>
        </form>
      </details>
      </Show>
      <Outcome of={submit} />
    </section>
  );
}

/** The newest verdict. */
function Verdict(props: { incident: Incident }): JSX.Element {
  return (
    <Show when={props.incident.judgement} fallback={<p class="muted">Nobody gave a verdict.</p>}>
      {(judged) => (
        <p>
          {byWhom(judged().actor)}, <Ago time={judged().time} />: {judgementInWords(judged())}
          <Show when={judged().note}> “{judged().note}”</Show>
          <Show when={judged().diagnosis}>
            <span class="muted"> (of diagnosis {shortId(judged().diagnosis)})</span>
          </Show>
        </p>
      )}
    </Show>
  );
}

interface OtherCauseProps {
  service: string;
  onService: (service: string) => void;
  cause: CauseKind;
  onCause: (cause: CauseKind) => void;
}

function OtherCause(props: OtherCauseProps): JSX.Element {
  const list = createUniqueId();
  const services = () => (live.fleet()?.fleet?.services ?? []).map((health) => serviceName(health.service));
  return (
    <>
      <label class="field">
        Service, as [namespace/]name[@environment]
        <input required list={list} value={props.service} onInput={(event) => props.onService(event.currentTarget.value)} />
      </label>
      <datalist id={list}>
        <For each={services()}>{(service) => <option value={service} />}</For>
      </datalist>
      <label class="field">
        Kind of cause
        <select required onChange={(event) => props.onCause(Number(event.currentTarget.value))}>
          <option value="">choose…</option>
          <For each={KINDS}>
            {(kind) => (
              <option value={kind} selected={kind === props.cause}>
                {enumName(CauseKindSchema, kind)}
              </option>
            )}
          </For>
        </select>
      </label>
    </>
  );
}
