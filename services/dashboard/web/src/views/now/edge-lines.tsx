// The lines of the map. How calls fare is in their colour, in how they are dashed, and in a figure where some fail.

import { For, type JSX, Show } from "solid-js";
import { percent } from "../../lib/format";
import { Keyed } from "../../ui/keyed";
import { type Edge, edgeInWords, FAILING_MIN, fareOf, isFailing, keyOf, widthOf } from "./edges";
import { beside, type Line, pathOf } from "./lines";

interface LinesProps {
  edges: readonly Edge[];
  lineOf: (edge: Edge) => Line;
}

/** They lie behind the services. `isTroubled` says whether whoever is called is, of calls that nobody measured. */
export function EdgeLines(props: LinesProps & { isTroubled: (edge: Edge) => boolean }): JSX.Element {
  return (
    <Keyed each={props.edges} by={keyOf}>
      {(edge, key) => (
        <g
          class={`edge ${fareOf(edge())} ${props.isTroubled(edge()) ? "to-troubled" : ""}`}
          role="img"
          aria-label={edgeInWords(edge())}
          data-edge={key}
        >
          <path d={pathOf(props.lineOf(edge()))} stroke-width={widthOf(edge())} />
          <title>{edgeInWords(edge())}</title>
        </g>
      )}
    </Keyed>
  );
}

/** Which share fails, before everything else. The lines say the same. */
export function EdgeFigures(props: LinesProps): JSX.Element {
  const place = (edge: Edge) => beside(props.lineOf(edge));
  return (
    <g class="edge-figures" aria-hidden="true">
      <Keyed each={props.edges} by={keyOf}>
        {(edge) => (
          <Show when={isFailing(edge())}>
            <text x={place(edge()).x} y={place(edge()).y - 4}>
              {percent(edge().errorRatio)}
            </text>
          </Show>
        )}
      </Keyed>
    </g>
  );
}

/** What the lines say, for who sees them first. */
export function Legend(): JSX.Element {
  const kinds = [
    ["well", "calls are answered"],
    ["some", "some fail"],
    ["failing", `${percent(FAILING_MIN)} or more fail`],
    ["counted", "too few to tell"],
    ["unmeasured", "not measured by the caller"],
    ["unmeasured to-troubled", "nor that, and who is called is troubled"],
  ] as const;
  return (
    <ul class="legend muted" aria-label="What the lines of the map mean">
      <For each={kinds}>
        {([kind, words]) => (
          <li>
            <svg width="44" height="8" aria-hidden="true">
              <g class={`edge ${kind}`}>
                <path d="M0,4 H44" stroke-width="2" />
              </g>
            </svg>{" "}
            {words}
          </li>
        )}
      </For>
    </ul>
  );
}
