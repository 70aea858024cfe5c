// Dark or light: as the system says, until the reader says otherwise.

import { createSignal } from "solid-js";

export type Theme = "dark" | "light";
const KEPT = "llm-sre-theme";

const ofSystem = matchMedia("(prefers-color-scheme: light)");
const kept = (): Theme | undefined => {
  const said = localStorage.getItem(KEPT);
  return said === "dark" || said === "light" ? said : undefined;
};

const [theme, set] = createSignal<Theme>(kept() ?? (ofSystem.matches ? "light" : "dark"));
export { theme };

const show = () => (document.documentElement.dataset["theme"] = theme());
show();

ofSystem.addEventListener("change", () => {
  if (!kept()) change(ofSystem.matches ? "light" : "dark");
});

function change(to: Theme): void {
  set(to);
  show();
}

export function otherTheme(): void {
  const to = theme() === "dark" ? "light" : "dark";
  localStorage.setItem(KEPT, to);
  change(to);
}
