// Asking for an effect: once, however often a person presses, and with the failure in words.

import { Code, ConnectError } from "@connectrpc/connect";
import { type Accessor, createSignal } from "solid-js";
import { inWords, requestId } from "../../client/api";

export interface Submit {
  isBusy: Accessor<boolean>;
  error: Accessor<string | undefined>;
  /** What to say after it worked. */
  done: Accessor<string | undefined>;
  /** Asks for `what`; says whether it worked. `said` is for the person. */
  run: (what: string, said: string, call: (requestId: string) => Promise<void>) => Promise<boolean>;
}

/** After an effect the form that asked for it may be gone, and the focus with it: who uses the keyboard goes on at `element`. */
export function keepFocus(element: HTMLElement | undefined): void {
  const at = document.activeElement;
  if (at === null || at === document.body) element?.focus({ preventScroll: true });
}

/** Asking for the same again after a failure is the same request, so that one that did arrive has its one effect. */
export function createSubmit(): Submit {
  const [isBusy, setBusy] = createSignal(false);
  const [error, setError] = createSignal<string>();
  const [done, setDone] = createSignal<string>();
  let asked: { what: string; id: string } | undefined;
  const run = async (what: string, said: string, call: (requestId: string) => Promise<void>) => {
    if (isBusy()) return false;
    if (asked?.what !== what) asked = { what, id: requestId() };
    setBusy(true);
    setError(undefined);
    setDone(undefined);
    try {
      await call(asked.id);
      asked = undefined;
      setDone(said);
      return true;
    } catch (failure) {
      setError(failureInWords(failure));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, error, done, run };
}

function failureInWords(failure: unknown): string {
  const { code } = ConnectError.from(failure);
  switch (code) {
    case Code.Aborted:
      return "It changed meanwhile, and nothing was done. Look at what is there now, and do it again if it still holds.";
    case Code.DeadlineExceeded:
      return "There was no answer in time, so it may or may not have been done. Doing it again has no second effect.";
    case Code.Unavailable:
      return `${inWords(failure)}. Doing it again has no second effect.`;
    default:
      return `It was not done: ${inWords(failure)}`;
  }
}
