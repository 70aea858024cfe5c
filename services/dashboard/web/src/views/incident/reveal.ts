// Showing a part of the page: what hides it is opened, it is scrolled to, and the keyboard goes on from there.

/** Shows the element of this id, once it is drawn. */
export function reveal(id: string): void {
  requestAnimationFrame(() => {
    const element = document.getElementById(id);
    if (!element) return;
    for (let parent: Element | null = element; parent; parent = parent.parentElement) {
      if (parent instanceof HTMLDetailsElement) parent.open = true;
    }
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    element.scrollIntoView({ block: "start", behavior: isCalm ? "auto" : "smooth" });
    element.focus({ preventScroll: true });
  });
}

/** What a link within the page does: it shows its target, and the address names it. */
export function onReveal(id: string): (event: MouseEvent) => void {
  return (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", `#${encodeURIComponent(id)}`);
    reveal(id);
  };
}
