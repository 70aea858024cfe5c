// Which time is looked at, and the ways to another.

import { createEffect, createSignal, For, type JSX, Show } from "solid-js";
import { productNow } from "../../client/clock";
import { setQuery } from "../../lib/route";
import { dateTime, span } from "../../lib/time";
import { fieldOf, LENGTH_DEFAULT, LENGTHS, moved, picked, timeOfField, windowAt } from "./range";
import { type Scope, zoom } from "./scope";

const PICKED = "picked";

export function RangeBar(props: { scope: Scope }): JSX.Element {
  const range = () => props.scope.range();
  const text = () => {
    const now = range();
    return now === undefined || now.isLive ? (now?.text ?? LENGTH_DEFAULT) : PICKED;
  };
  const lengths = () => (LENGTHS.includes(text()) || text() === PICKED ? LENGTHS : [...LENGTHS, text()]);
  const step = (direction: -1 | 1) => {
    const now = range();
    if (!now) return;
    const next = moved(windowAt(now, productNow()), direction);
    zoom(next.from, next.to);
  };
  const reset = () => setQuery({ from: "", to: "", last: "" }, true);
  return (
    <section class="panel" aria-labelledby="explore-range">
      <h2 id="explore-range" class="spoken">
        Time
      </h2>
      <div class="body stack">
        <div class="row controls">
          <label class="field">
            The last
            <select
              value={text()}
              onChange={(event) => {
                const last = event.currentTarget.value;
                if (last !== PICKED) setQuery({ last: last === LENGTH_DEFAULT ? "" : last, from: "", to: "" }, true);
              }}
            >
              <For each={lengths()}>{(length) => <option value={length}>{length}</option>}</For>
              <Show when={text() === PICKED}>
                <option value={PICKED}>from … until …</option>
              </Show>
            </select>
          </label>
          <Picked scope={props.scope} />
          <button type="button" onClick={() => step(-1)}>
            Earlier
          </button>
          <button type="button" onClick={() => step(1)} disabled={range()?.isLive ?? true}>
            Later
          </button>
          <button type="button" onClick={reset} disabled={text() === LENGTH_DEFAULT && !props.scope.wrong()}>
            Reset
          </button>
        </div>
        <Show when={props.scope.wrong()} fallback={<Said scope={props.scope} />}>
          {(wrong) => (
            <p class="troubled" role="alert">
              The address says no time that can be looked at: {wrong()}.
            </p>
          )}
        </Show>
      </div>
    </section>
  );
}

function Said(props: { scope: Scope }): JSX.Element {
  const words = () => {
    const range = props.scope.range();
    if (!range) return "Waiting to hear what time it is…";
    if (range.isLive) return `The last ${range.text}, asked for again every 10 s. Drag in a chart to look closer.`;
    const long = span(range.to - range.from);
    return `${dateTime(range.from)} until ${dateTime(range.to)} (${long}), in your time zone. Not refreshed.`;
  };
  return <p class="muted">{words()}</p>;
}

/** From one moment to another, in the reader's zone. */
function Picked(props: { scope: Scope }): JSX.Element {
  const [from, setFrom] = createSignal("");
  const [to, setTo] = createSignal("");
  const [wrong, setWrong] = createSignal("");
  createEffect(() => {
    const range = props.scope.range();
    setFrom(range && !range.isLive ? fieldOf(range.from) : "");
    setTo(range && !range.isLive ? fieldOf(range.to) : "");
    setWrong("");
  });
  const show = (event: SubmitEvent) => {
    event.preventDefault();
    const [start, end] = [timeOfField(from()), timeOfField(to())];
    if (start === undefined || end === undefined) setWrong("Give both times.");
    else if (end <= start) setWrong("The second time has to be after the first.");
    else setQuery(picked(start, end), true);
  };
  return (
    <form class="row controls" onSubmit={show}>
      <label class="field">
        From
        <input type="datetime-local" step="1" value={from()} onInput={(event) => setFrom(event.currentTarget.value)} />
      </label>
      <label class="field">
        Until
        <input type="datetime-local" step="1" value={to()} onInput={(event) => setTo(event.currentTarget.value)} />
      </label>
      <button type="submit">Show</button>
      <Show when={wrong()}>
        <span class="troubled" role="alert">
          {wrong()}
        </span>
      </Show>
    </form>
  );
}
