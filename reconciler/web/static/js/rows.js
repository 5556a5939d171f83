// A table whose rows stay where they are: those that are shown are brought up to date, new ones are
// announced by a button, and come when it is pressed.

import { morph } from "./morph.js";

const button = document.getElementById("new-rows");
let waiting = null;

/** Brings `table`, a tbody, to what `now` says of its rows; `data-rows` is where single rows are. */
export async function mergeRows(table, now) {
  const fresh = rowsOf(now);
  const shown = rowsOf(table);
  if (!shown.size) return show(table, now);
  const missing = [...shown.keys()].filter((id) => !fresh.has(id));
  const known = missing.length ? await fetchRows(table.dataset.rows, missing) : new Map();
  for (const [id, row] of shown) {
    const told = fresh.get(id) ?? known.get(id);
    if (told) morph(row, told.cloneNode(true));
    row.classList.toggle("gone", !told);
  }
  announceNew(table, now, [...fresh.keys()].filter((id) => !shown.has(id)).length);
}

function rowsOf(table) {
  return new Map([...table.querySelectorAll("tr[data-row]")].map((row) => [row.dataset.row, row]));
}

async function fetchRows(address, ids) {
  const query = new URLSearchParams(ids.map((id) => ["job", id]));
  const answer = await fetch(`${address}?${query}`);
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return rowsOf(page);
}

function announceNew(table, now, number) {
  waiting = number ? { table, now } : null;
  button.hidden = !number;
  const words = `${number} new ${number === 1 ? "job" : "jobs"}: show`;
  if (button.textContent !== words) button.textContent = words;
}

function show(table, now) {
  morph(table, now.cloneNode(true));
  button.hidden = true;
  waiting = null;
}

export function followRows() {
  button?.addEventListener("click", () => {
    if (waiting) show(waiting.table, waiting.now);
  });
}
