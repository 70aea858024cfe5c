// Asking the server for something that does not come by itself: what is known stays in sight while it is asked again.

import { type Accessor, createEffect, createSignal, onCleanup } from "solid-js";
import { inWords } from "../client/api";

/** How often it is looked whether somebody looks at the page again. */
const HIDDEN_MS = 2_000;

export interface Asked<T> {
  /** The newest answer, also after an error. */
  data: Accessor<T | undefined>;
  /** Why the newest question had no answer. */
  error: Accessor<string | undefined>;
  /** Whether there was no answer yet, to this question or an earlier one. */
  isLoading: Accessor<boolean>;
  again: () => void;
}

/**
 * Asks whenever `question` changes, and every `everyMs` where that is given; not while nobody looks at the page. `undefined`
 * is no question. An answer that comes after the next question was put counts for nothing. `isAnother` says whether what is
 * known is no answer to a new question, and goes.
 */
export function ask<Q, T>(
  question: Accessor<Q | undefined>,
  answer: (question: Q, signal: AbortSignal) => Promise<T>,
  options: { everyMs?: number | (() => number | undefined); isAnother?: (before: Q, after: Q) => boolean } = {},
): Asked<T> {
  const [data, setData] = createSignal<T>();
  const [error, setError] = createSignal<string>();
  const [isLoading, setLoading] = createSignal(true);
  const [turn, setTurn] = createSignal(0);
  let before: Q | undefined;

  createEffect(() => {
    turn();
    const asked = question();
    if (asked === undefined) return;
    if (before !== undefined && (options.isAnother ?? (() => true))(before, asked) && before !== asked) {
      setData(undefined);
      setError(undefined);
      setLoading(true);
    }
    before = asked;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    onCleanup(() => {
      stop.abort();
      clearTimeout(timer);
    });
    const once = async () => {
      try {
        const found = await answer(asked, stop.signal);
        if (stop.signal.aborted) return;
        setData(() => found);
        setError(undefined);
        setLoading(false);
      } catch (failure) {
        if (stop.signal.aborted) return;
        setError(inWords(failure));
      }
      const everyMs = typeof options.everyMs === "function" ? options.everyMs() : options.everyMs;
      if (everyMs) timer = setTimeout(later, everyMs);
    };
    const later = () => {
      if (document.visibilityState === "visible") void once();
      else timer = setTimeout(later, HIDDEN_MS);
    };
    void once();
  });

  return { data, error, isLoading, again: () => setTurn(turn() + 1) };
}
