// Fetches this page again and morphs its parts that are marked data-live. One fetch at a time; the
// slower the server answers, the longer the pause before the next.

import { morph } from "./morph.js";
import { mergeRows } from "./rows.js";
import { sayTimes } from "./time.js";

const PAUSE_MS = 1000;
const RETRY_MS = 3000;
const PATIENCE_MS = 20000;

const banner = document.getElementById("away");
const wasAway = document.querySelector("main").hasAttribute("data-away");

let busy = false;
let wanted = false;
let timer = null;
/** How often it was held: an answer that was asked for before is not shown any more. */
let held = 0;

/** Soon, and never twice at the same time. */
export function refresh(afterMs = 0) {
  wanted = true;
  if (!busy && timer === null) timer = setTimeout(run, afterMs);
}

/** Changes nothing more until the next `refresh`, whatever is under way. */
export function hold() {
  held += 1;
  wanted = false;
  clearTimeout(timer);
  timer = null;
}

async function run() {
  timer = null;
  busy = true;
  wanted = false;
  const began = performance.now();
  const isAway = await renew().then(() => false, () => true);
  busy = false;
  banner.hidden = !isAway;
  if (isAway) refresh(RETRY_MS);
  else if (wanted) refresh(Math.max(PAUSE_MS, 3 * (performance.now() - began)));
  else timer = setTimeout(pauseIsOver, PAUSE_MS);
}

function pauseIsOver() {
  timer = null;
  if (wanted) refresh();
}

async function renew() {
  const before = held;
  const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 401) return location.reload();
  if (answer.status >= 500) throw new Error(`the server answers ${answer.status}`);
  if (wasAway) return location.reload();
  const text = await answer.text();
  if (held !== before) return;
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(part.id);
    if (now) morph(part, now);
  }
  for (const part of document.querySelectorAll("[data-rows]")) {
    const now = page.getElementById(part.id);
    if (now) await mergeRows(part, now);
  }
  sayTimes();
}
