// Light or dark: as the system says, until somebody presses the switch.

import { remember } from "./cookie.js";

const root = document.documentElement;

function isDark() {
  if (root.dataset.theme) return root.dataset.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function tell(button) {
  button.setAttribute("aria-pressed", String(isDark()));
}

export function switchTheme() {
  const button = document.getElementById("theme");
  tell(button);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tell(button));
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember("theme", root.dataset.theme);
    tell(button);
  });
}
