// A list whose parts stay what they are while what they show changes, so that focus, selection and an open tooltip stay too.

import { type Accessor, createMemo, For, type JSX, Show } from "solid-js";

interface KeyedProps<T> {
  each: readonly T[];
  /** What tells one from another; those that are alike are told apart by their order. */
  by: (item: T) => string;
  children: (item: Accessor<T>, key: string, index: Accessor<number>) => JSX.Element;
}

export function Keyed<T extends object>(props: KeyedProps<T>): JSX.Element {
  const byKey = createMemo(() => keyed(props.each, props.by));
  const keys = createMemo(() => [...byKey().keys()]);
  return (
    <For each={keys()}>
      {(key, index) => <Show when={byKey().get(key)}>{(item) => props.children(item, key, index)}</Show>}
    </For>
  );
}

/** Each by its key, in their order. */
export function keyed<T>(items: readonly T[], by: (item: T) => string): Map<string, T> {
  const [byKey, alike] = [new Map<string, T>(), new Map<string, number>()];
  for (const item of items) {
    const key = by(item);
    const before = alike.get(key) ?? 0;
    alike.set(key, before + 1);
    byKey.set(before === 0 ? key : `${key}\n${before}`, item);
  }
  return byKey;
}
