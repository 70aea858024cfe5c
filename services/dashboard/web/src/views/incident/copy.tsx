// A button that copies a text.

import { createSignal, type JSX } from "solid-js";

export function Copy(props: { text: string; label: string }): JSX.Element {
  const [said, setSaid] = createSignal("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(props.text);
      setSaid("copied");
    } catch {
      // Without a secure context there is no clipboard; the text can still be selected.
      setSaid("select it to copy");
    }
  };
  return (
    <>
      <button type="button" aria-label={props.label} onClick={() => void copy()}>
        Copy
      </button>
      <span class="muted" role="status">
        {said()}
      </span>
    </>
  );
}
