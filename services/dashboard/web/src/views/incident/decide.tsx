// What a person says to an action: that it may be done, that it may not, that it is withdrawn, or that it is undone.

import { createSignal, For, type JSX, Show } from "solid-js";
import type { Action } from "@contracts/remediation/v1/remediation_pb";
import { remediation } from "../../client/api";
import { AskButton, NoteField } from "./form";
import type { Model } from "./model";
import type { Submit } from "./submit";
import { PERSON_REASON_IN_WORDS, whatIsDone } from "./words";

interface DecideProps {
  action: Action;
  model: Model;
  /** Of the action, which is there longer than any form: its state says which forms there are. */
  submit: Submit;
}

/** So many characters of a digest tell one plan from another; the whole stands below. */
const DIGEST_SHOWN = 12;

export function DecideForm(props: DecideProps): JSX.Element {
  const [note, setNote] = createSignal("");
  const approve = () => {
    // An approval is for what is shown, and for nothing that comes after.
    const { name, digest } = props.action;
    const said = note();
    return props.submit.run(`approve ${name} ${digest} ${said}`, "Approved.", async (requestId) => {
      props.model.answered.action(await remediation.approveAction({ name, digest, note: said, requestId }));
    });
  };
  const reject = () => {
    const { name } = props.action;
    const said = note();
    return props.submit.run(`reject ${name} ${said}`, "Rejected.", async (requestId) => {
      props.model.answered.action(await remediation.rejectAction({ name, note: said, requestId }));
    });
  };
  return (
    <form class="decide stack" aria-label={`Decide on ${whatIsDone(props.action)}`} onSubmit={(event) => event.preventDefault()}>
      <p>
        <strong>Waits for your decision</strong> on <code>{whatIsDone(props.action)}</code>, as planned with the digest{" "}
        <code>{props.action.digest.slice(0, DIGEST_SHOWN)}</code>.
      </p>
      <Show when={props.action.personReasons.length}>
        <ul aria-label="Why it needs a person">
          <For each={props.action.personReasons}>{(reason) => <li>Because {PERSON_REASON_IN_WORDS[reason]}.</li>}</For>
        </ul>
      </Show>
      <NoteField label="Note (optional)" value={note()} onInput={setNote} />
      <div class="row">
        <AskButton of={props.submit} class="primary" onClick={() => void approve()}>
          Approve
        </AskButton>
        <AskButton of={props.submit} class="danger" onClick={() => void reject()}>
          Reject
        </AskButton>
      </div>
    </form>
  );
}

export function CancelForm(props: DecideProps): JSX.Element {
  const [note, setNote] = createSignal("");
  const cancel = () => {
    const { name } = props.action;
    const said = note();
    return props.submit.run(`cancel ${name} ${said}`, "Withdrawn.", async (requestId) => {
      props.model.answered.action(await remediation.cancelAction({ name, note: said, requestId }));
    });
  };
  return (
    <details>
      <summary>Withdraw it</summary>
      <form class="stack" aria-label={`Withdraw ${whatIsDone(props.action)}`} onSubmit={(event) => event.preventDefault()}>
        <NoteField label="Why (optional)" value={note()} onInput={setNote} />
        <div class="row">
          <AskButton of={props.submit} onClick={() => void cancel()}>
            Cancel this repair
          </AskButton>
        </div>
      </form>
    </details>
  );
}

export function RollBackForm(props: DecideProps): JSX.Element {
  let confirm: HTMLButtonElement | undefined;
  const [note, setNote] = createSignal("");
  const [isAsked, setAsked] = createSignal(false);
  const ask = () => {
    setAsked(true);
    confirm?.focus();
  };
  const rollBack = () => {
    const { name } = props.action;
    const said = note();
    return props.submit.run(`roll back ${name} ${said}`, "Being rolled back.", async (requestId) => {
      props.model.answered.action(await remediation.rollBackAction({ name, note: said, requestId }));
    });
  };
  return (
    <form class="decide stack" aria-label={`Roll back ${whatIsDone(props.action)}`} onSubmit={(event) => event.preventDefault()}>
      <div class="row">
        <button type="button" aria-expanded={isAsked()} onClick={ask}>
          Roll back…
        </button>
        <span class="muted">has it undone now, without waiting for the verdict</span>
      </div>
      <Show when={isAsked()}>
        <NoteField label="Why (optional)" value={note()} onInput={setNote} />
        <div class="row">
          <AskButton of={props.submit} class="danger" ref={(button) => (confirm = button)} onClick={() => void rollBack()}>
            Yes, roll it back
          </AskButton>
          <button type="button" onClick={() => setAsked(false)}>
            No, let it be measured
          </button>
        </div>
      </Show>
    </form>
  );
}
