// Evidence as it is cited: by its id, with the fact for who points at it, and open on a press.

import { For, type JSX, Show } from "solid-js";
import type { ShownParts } from "./shown";

/** Of an id so much is enough to tell the facts of one diagnosis apart. */
const ID_SHOWN = 8;

export function Citations(props: { label: string; ids: readonly string[]; shown: ShownParts; class?: string }): JSX.Element {
  return (
    <Show when={props.ids.length}>
      <div class={`citations ${props.class ?? ""}`}>
        <span>{props.label}</span>
        <ul class="row">
          <For each={props.ids}>
            {(id) => (
              <li>
                <Citation id={id} shown={props.shown} />
              </li>
            )}
          </For>
        </ul>
      </div>
    </Show>
  );
}

function Citation(props: { id: string; shown: ShownParts }): JSX.Element {
  const summary = () => props.shown.evidence(props.id)?.summary ?? "not among the evidence of this diagnosis";
  const short = () => props.id.slice(0, ID_SHOWN);
  return (
    <button
      type="button"
      class="citation"
      data-evidence={props.id}
      aria-pressed={props.shown.isOpen(props.id)}
      aria-label={`${short()}, evidence: ${summary()}`}
      title={summary()}
      disabled={!props.shown.evidence(props.id)}
      onClick={() => props.shown.show(props.id)}
    >
      {short()}
    </button>
  );
}
