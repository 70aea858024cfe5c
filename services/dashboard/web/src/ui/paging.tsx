// What stands under a list that is fetched page by page: how much is shown, and the way to more.

import { type JSX, Show } from "solid-js";

interface PagingProps {
  list: { isMore: () => boolean; isFull: () => boolean; isAsking: () => boolean; more: () => void };
  /** What is shown, in words. */
  said: string;
  /** What the button says. */
  more: string;
  /** What to do where the page would bear no more. */
  full: string;
}

export function Paging(props: PagingProps): JSX.Element {
  return (
    <div class="row paging">
      <span class="muted" role="status">
        {props.said}
        <Show when={props.list.isFull()}> {props.full}</Show>
      </span>
      <Show when={props.list.isMore()}>
        <button type="button" disabled={props.list.isAsking()} onClick={() => props.list.more()}>
          {props.list.isAsking() ? "Loading…" : props.more}
        </button>
      </Show>
    </div>
  );
}
