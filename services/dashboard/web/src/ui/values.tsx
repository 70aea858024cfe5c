// What a chart shows as a table, for who cannot see it or wants the numbers. It is made when it is opened.

import { createSignal, Index, type JSX, Show } from "solid-js";
import { classOf, type Column, Heads } from "./heads";

interface ValuesProps {
  label: string;
  columns: readonly Column[];
  rows: () => readonly (readonly string[])[];
  /** What the table leaves out. */
  note?: string | undefined;
}

export function Values(props: ValuesProps): JSX.Element {
  const [isOpen, setOpen] = createSignal(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class="muted">Values</summary>
      <Show when={isOpen()}>
        <Show when={props.note}>
          <p class="muted">{props.note}</p>
        </Show>
        <div class="values" tabindex="0" role="group" aria-label={props.label}>
          <table>
            <Heads columns={props.columns} />
            <tbody>
              {/* By place, so that what a reader has selected stays selected while figures change. */}
              <Index each={props.rows()}>
                {(row) => (
                  <tr>
                    <Index each={row()}>{(value, place) => <td class={classOf(props.columns[place])}>{value()}</td>}</Index>
                  </tr>
                )}
              </Index>
            </tbody>
          </table>
        </div>
      </Show>
    </details>
  );
}
