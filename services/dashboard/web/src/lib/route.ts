// The address says what is shown, so that a link shows somebody else the same.

import { createSignal } from "solid-js";

const here = () => ({ path: location.pathname, query: new URLSearchParams(location.search) });
const [current, setCurrent] = createSignal(here());

addEventListener("popstate", () => setCurrent(here()));

/** The path, and what the query says. */
export const route = current;

/** One key of the query; empty where it is not there. */
export function query(key: string): string {
  return current().query.get(key) ?? "";
}

/** Goes somewhere else. */
export function go(to: string): void {
  history.pushState(null, "", to);
  setCurrent(here());
  scrollTo(0, 0);
}

/** Changes some keys of the query; an empty value takes the key away. Does not move, so that going back leaves the view. */
export function setQuery(changes: Record<string, string>, isStep = false): void {
  const next = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value) next.set(key, value);
    else next.delete(key);
  }
  const search = next.toString();
  const to = location.pathname + (search && `?${search}`);
  if (isStep) history.pushState(null, "", to);
  else history.replaceState(null, "", to);
  setCurrent(here());
}

/** Follows links within the page without loading it anew; what a reader does to open a new window stays theirs. */
export function followLinks(event: MouseEvent): void {
  const link = (event.target as Element | null)?.closest?.("a");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  // By its attribute, since the links of a drawing have no text as their `href`.
  const to = new URL(link.getAttribute("href") ?? "", location.href);
  if (link.getAttribute("target") || link.hasAttribute("download") || to.origin !== location.origin) return;
  if (to.pathname === location.pathname && to.search === location.search && to.hash) return;
  event.preventDefault();
  go(to.pathname + to.search + to.hash);
}
