// The lines of the map. How calls fare is in their colour, in how they are dashed, and in a figure where some fail.

import { createMemo, For, type JSX, Show } from "solid-js";
import { percent } from "../../lib/format";
import { type Edge, fareOf, inWords, isFailing, keyOf, widthOf } from "./edges";

/** Where a line begins or ends. */
export interface Point {
  x: number;
  y: number;
}

export function EdgeLines(props: {
  edges: readonly Edge[];
  /** The right side of whoever calls, and the left side of whoever is called. */
  ends: (edge: Edge) => readonly [Point, Point];
  /** Whether whoever is called is troubled, which says something of calls that nobody measured. */
  isTroubled: (edge: Edge) => boolean;
}): JSX.Element {
  const byKey = createMemo(() => new Map(props.edges.map((edge) => [keyOf(edge), edge])));
  // A line stays the same while its figures change, so that a tooltip stays open.
  const keys = createMemo(() => [...byKey().keys()]);
  return (
    <For each={keys()}>
      {(key) => (
        <Show when={byKey().get(key)}>
          {(edge) => {
            const ends = () => props.ends(edge());
            const middle = () => ({ x: (ends()[0].x + ends()[1].x) / 2, y: (ends()[0].y + ends()[1].y) / 2 });
            return (
              <g class={`edge ${fareOf(edge())} ${props.isTroubled(edge()) ? "to-troubled" : ""}`} role="img" aria-label={inWords(edge())} data-edge={key}>
                <path d={curve(...ends())} stroke-width={widthOf(edge())} />
                <Show when={isFailing(edge())}>
                  <text x={middle().x} y={middle().y - 4}>
                    {percent(edge().errorRatio)}
                  </text>
                </Show>
                <title>{inWords(edge())}</title>
              </g>
            );
          }}
        </Show>
      )}
    </For>
  );
}

/** From the right to the left; backwards around both. */
function curve(from: Point, to: Point): string {
  const bend = Math.max(30, Math.abs(to.x - from.x) / 2);
  return `M${from.x},${from.y} C${from.x + bend},${from.y} ${to.x - bend},${to.y} ${to.x},${to.y}`;
}

/** What the lines say, for who sees them first. */
export function Legend(): JSX.Element {
  const kinds = [
    ["well", "calls are answered"],
    ["some", "some fail"],
    ["failing", "5 % or more fail"],
    ["counted", "too few to tell"],
    ["unmeasured", "not measured by the caller"],
    ["unmeasured to-troubled", "nor that, and who is called is troubled"],
  ] as const;
  return (
    <ul class="legend muted" aria-label="What the lines of the map mean">
      <For each={kinds}>
        {([kind, words]) => (
          <li>
            <svg width="34" height="8" aria-hidden="true">
              <g class={`edge ${kind}`}>
                <path d="M0,4 H34" stroke-width="2" />
              </g>
            </svg>{" "}
            {words}
          </li>
        )}
      </For>
    </ul>
  );
}
