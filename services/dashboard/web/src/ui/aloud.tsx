// What is said aloud to who reads by ear, and in the window's title to who looks elsewhere: that something new is wrong.

import { createEffect, createMemo, createSignal, type JSX, on } from "solid-js";
import { hasEnded, live } from "../client/live";
import { counted } from "../lib/format";
import { serviceName, titleOf } from "../lib/names";

/** Incidents that live, as far as is known. */
const open = () => [...live.incidents().values()].filter((incident) => !hasEnded(incident));

/** Keeps the window's title. */
export function keepTitle(view: () => string): void {
  createEffect(() => (document.title = titleOf(view(), live.connection().state === "lost", open().length)));
}

export function Aloud(): JSX.Element {
  const [said, setSaid] = createSignal("");
  const names = createMemo(() => new Set(open().map((incident) => incident.name)));
  createEffect(
    on([names, live.isCaught], ([now, isCaught], before) => {
      // What was there when the page was opened is on it.
      if (!isCaught || !before?.[1]) return;
      const fresh = open().filter((incident) => now.has(incident.name) && !before[0].has(incident.name));
      const [first, ...others] = fresh;
      if (!first) return;
      const more = others.length > 0 ? `, and ${counted(others.length, "other")}` : "";
      setSaid(`New incident of ${serviceName(first.service)}: ${first.title}${more}`);
    }),
  );
  const isStopped = createMemo(() => live.holds()?.killSwitch?.engaged);
  createEffect(
    on(isStopped, (now, before) => {
      if (now === true) setSaid("The kill switch is engaged: nothing is repaired");
      else if (before === true && now === false) setSaid("The kill switch is released");
    }),
  );
  return (
    <p class="spoken" role="status" data-aloud>
      {said()}
    </p>
  );
}
