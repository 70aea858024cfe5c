// The command line that does, or shows, the same.

import { createSignal, type JSX, Show } from "solid-js";

export function Command(props: { line: string }): JSX.Element {
  const [said, setSaid] = createSignal("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(props.line);
      setSaid("copied");
    } catch {
      // Without a secure context there is no clipboard; the line can still be selected.
      setSaid("select it to copy");
    }
  };
  return (
    <div class="command">
      {/* What scrolls has to be reached by the keyboard. */}
      <code tabindex="0" role="group" aria-label="Command line">
        {props.line}
      </code>
      <button type="button" onClick={() => void copy()} aria-label={`Copy ${props.line}`}>
        Copy
      </button>
      <Show when={said()}>
        <span class="muted" role="status">
          {said()}
        </span>
      </Show>
    </div>
  );
}
