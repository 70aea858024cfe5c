// A list that the server gives page by page, as far as the reader wants to see it and no further than a page can bear.

import { type Accessor, createSignal, onCleanup, untrack } from "solid-js";
import { inWords } from "../client/api";
import { type Asked, ask } from "./ask";

/** One answer: some of the list, and how to go on. */
export interface Page<T> {
  items: readonly T[];
  /** Where the next one begins; empty at the end. */
  next: string;
}

export interface Paged<T, P extends Page<T>> {
  /** All that was fetched, in the order of the server; absent before the first answer. */
  items: Accessor<readonly T[] | undefined>;
  /** The first answer, with whatever it says besides. */
  first: Accessor<P | undefined>;
  error: Accessor<string | undefined>;
  isLoading: Accessor<boolean>;
  /** Whether there is more that may be fetched. */
  isMore: Accessor<boolean>;
  /** Whether there is more that may not be fetched, since the page would bear no more. */
  isFull: Accessor<boolean>;
  /** Whether later pages were fetched. The list then stays as it is until it is asked for again. */
  isLong: Accessor<boolean>;
  isAsking: Accessor<boolean>;
  more: () => void;
  again: () => void;
}

interface Options<Q> {
  /** So many are fetched at most. */
  max: number;
  everyMs?: number | (() => number | undefined);
  isAnother?: (before: Q, after: Q) => boolean;
}

interface Later<T, P> {
  /** The answer that it goes on from. */
  first: P;
  items: readonly T[];
  next: string;
  /** Whether some of it found no room. */
  isCut: boolean;
}

/** `page` answers a question; where it is given the first answer, from that one's `next` or what came after it. */
export function paged<Q, T, P extends Page<T>>(
  question: Accessor<Q | undefined>,
  page: (question: Q, signal: AbortSignal, before?: { first: P; next: string }) => Promise<P>,
  options: Options<Q>,
): Paged<T, P> {
  const [later, setLater] = createSignal<Later<T, P>>();
  const [isAsking, setAsking] = createSignal(false);
  const [failure, setFailure] = createSignal<string>();
  let known: { question: Q; answer: P } | undefined;
  let stop = new AbortController();
  onCleanup(() => stop.abort());

  const { isAnother, everyMs } = options;
  const asked: Asked<P> = ask<Q, P>(
    question,
    async (question, signal) => {
      // What the reader went on from stays what it was: a list that moves under who reads it cannot be read.
      if (known && known.question !== question) stop.abort();
      const kept = (): P | undefined => {
        const isRead = untrack(() => isLong() || isAsking());
        return known?.question === question && isRead ? known.answer : undefined;
      };
      const answer = kept() ?? (await untrack(() => page(question, signal)));
      if (signal.aborted) return answer;
      const still = kept() ?? answer;
      known = { question, answer: still };
      return still;
    },
    { ...(everyMs === undefined ? {} : { everyMs }), ...(isAnother ? { isAnother } : {}) },
  );
  const onward = (): Later<T, P> | undefined => {
    const found = later();
    return found && found.first === asked.data() ? found : undefined;
  };
  const isLong = (): boolean => onward() !== undefined;
  const items = () => {
    const first = asked.data();
    return first && [...first.items, ...(onward()?.items ?? [])];
  };
  const next = () => onward()?.next ?? asked.data()?.next ?? "";
  const count = () => (asked.data()?.items.length ?? 0) + (onward()?.items.length ?? 0);

  const more = async () => {
    const [first, token, put] = [asked.data(), next(), known?.question];
    if (!first || !token || put === undefined || isAsking()) return;
    const before = onward()?.items ?? [];
    stop = new AbortController();
    const { signal } = stop;
    setAsking(true);
    setFailure(undefined);
    try {
      const found = await page(put, signal, { first, next: token });
      const room = Math.max(0, options.max - first.items.length - before.length);
      const items = [...before, ...found.items.slice(0, room)];
      if (!signal.aborted) setLater({ first, items, next: found.next, isCut: found.items.length > room });
    } catch (error) {
      if (!signal.aborted) setFailure(inWords(error));
    } finally {
      if (stop.signal === signal) setAsking(false);
    }
  };

  return {
    items,
    first: asked.data,
    error: () => asked.error() ?? failure(),
    isLoading: asked.isLoading,
    isMore: () => next() !== "" && count() < options.max,
    isFull: () => (onward()?.isCut ?? false) || (next() !== "" && count() >= options.max),
    isLong,
    isAsking,
    more: () => void more(),
    again: () => {
      stop.abort();
      known = undefined;
      setLater(undefined);
      setFailure(undefined);
      asked.again();
    },
  };
}
