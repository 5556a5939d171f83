// Keyboard shortcuts; `?` lists them, and turns them off for those whom single keys get in the way.

const GO = { o: "/", j: "/jobs", f: "/failures", r: "/orphans", s: "/servers", w: "/webhooks" };
const WITHIN_MS = 1500;

const help = document.getElementById("help");
const enabled = document.getElementById("keys-enabled");
let goUntil = 0;

const press = (id) => () => document.getElementById(id)?.click();
const KEYS = {
  "?": showHelp,
  "/": () => document.querySelector("[type=search]")?.focus(),
  p: press("pause"),
  t: press("times"),
  d: press("theme"),
  j: () => step(1),
  k: () => step(-1),
  x: () => currentRow()?.querySelector("[type=checkbox]")?.click(),
  o: () => currentRow()?.querySelector("a")?.click(),
  g: () => { goUntil = Date.now() + WITHIN_MS; },
};

function showHelp() {
  if (!help.open) help.showModal();
}

function rows() {
  return [...document.querySelectorAll("tr[data-row]")];
}

function currentRow() {
  return document.activeElement?.closest("tr[data-row]");
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const here = all.indexOf(currentRow());
  const next = here < 0 ? (by > 0 ? 0 : all.length - 1) : here + by;
  all[Math.min(Math.max(next, 0), all.length - 1)].focus();
}

function isTyping(target) {
  if (target.matches("[type=checkbox], [type=radio]")) return false;
  return target.matches("input, select, textarea, [contenteditable]");
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const isHelp = event.key === "?";
  if (document.querySelector("dialog[open]") || (!enabled.checked && !isHelp)) return;
  const there = Date.now() < goUntil ? GO[event.key] : undefined;
  goUntil = 0;
  if (there) location.assign(there);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
}

export function listenForKeys() {
  enabled.checked = localStorage.getItem("keys") !== "off";
  enabled.addEventListener("change", () => {
    localStorage.setItem("keys", enabled.checked ? "on" : "off");
  });
  document.getElementById("show-help").addEventListener("click", showHelp);
  document.addEventListener("keydown", onKey);
  for (const event of window.earlyKeys ?? []) onKey(event);
  window.earlyKeys = null;
}
