// A part of a view with its heading, and what it says while there is nothing to show.

import { type JSX, Match, Show, Switch } from "solid-js";

interface PanelProps {
  title: string;
  /** Beside the heading. */
  aside?: JSX.Element;
  /** Why there is nothing, or nothing new; what there was stays in sight under it. */
  error?: string | undefined;
  /** Whether nothing is known yet. */
  isLoading?: boolean | undefined;
  /** What to say where there is nothing; absent where there is something. */
  empty?: string | undefined;
  /** Asks again after an error. */
  again?: (() => void) | undefined;
  class?: string;
  children: JSX.Element;
}

let panels = 0;

export function Panel(props: PanelProps): JSX.Element {
  const id = `panel-${++panels}`;
  return (
    <section class={`panel ${props.class ?? ""}`} aria-labelledby={id} aria-busy={props.isLoading ?? false}>
      <header>
        <h2 id={id}>{props.title}</h2>
        <Show when={props.aside}>
          <div class="end">{props.aside}</div>
        </Show>
      </header>
      <div class="body">
        <Show when={props.error}>
          <p class="state error" role="alert">
            {props.error}{" "}
            <Show when={props.again}>
              <button type="button" onClick={() => props.again?.()}>
                Try again
              </button>
            </Show>
          </p>
        </Show>
        <Switch fallback={props.children}>
          <Match when={props.isLoading && !props.error}>
            <p class="state pulse">Loading…</p>
          </Match>
          <Match when={props.isLoading}>{null}</Match>
          <Match when={props.empty !== undefined}>
            <p class="state">{props.empty}</p>
          </Match>
        </Switch>
      </div>
    </section>
  );
}
