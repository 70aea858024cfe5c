// Parts that the forms of this view share.

import { type JSX, Show } from "solid-js";
import type { Submit } from "./submit";

/** What the services take at most. */
const NOTE_MAX = 2000;

export function NoteField(props: { label: string; value: string; onInput: (value: string) => void }): JSX.Element {
  return (
    <label class="field">
      {props.label}
      <textarea rows="2" maxlength={NOTE_MAX} value={props.value} onInput={(event) => props.onInput(event.currentTarget.value)} />
    </label>
  );
}

/** How it went, said aloud. */
export function Outcome(props: { of: Submit }): JSX.Element {
  return (
    <>
      <Show when={props.of.error()}>
        <p class="troubled" role="alert">
          {props.of.error()}
        </p>
      </Show>
      <p role="status" class="outcome">
        {props.of.isBusy() ? "Asking…" : props.of.done()}
      </p>
    </>
  );
}

interface AskButtonProps {
  of: Submit;
  class?: string;
  ref?: (button: HTMLButtonElement) => void;
  /** Absent where it submits its form. */
  onClick?: () => void;
  children: JSX.Element;
}

/** Asks for an effect. It keeps the focus while it is busy, which what is disabled would lose; a second press does nothing. */
export function AskButton(props: AskButtonProps): JSX.Element {
  return (
    <button
      type={props.onClick ? "button" : "submit"}
      class={props.class ?? ""}
      ref={(button) => props.ref?.(button)}
      aria-disabled={props.of.isBusy()}
      onClick={() => !props.of.isBusy() && props.onClick?.()}
    >
      {props.children}
    </button>
  );
}

/** Name and value, where there is a value. */
export function Fact(props: { name: string; children: JSX.Element; when?: unknown }): JSX.Element {
  return (
    <Show when={!("when" in props) || props.when}>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </Show>
  );
}
