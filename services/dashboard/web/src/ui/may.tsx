// What only some may do: the others see who they are, and not a button that would be refused.

import { type JSX, Show } from "solid-js";
import { mayDecide, session } from "../client/session";

export function ForWhoDecides(props: { children: JSX.Element }): JSX.Element {
  const name = () => {
    const who = session();
    return who.state === "in" ? `${who.actor} (${who.role})` : "";
  };
  return (
    <Show
      when={mayDecide()}
      fallback={<p class="muted" data-role="viewer">You are signed in as {name()}: to decide takes the role approver or admin.</p>}
    >
      {props.children}
    </Show>
  );
}
