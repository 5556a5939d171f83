// Times: how long ago, or when, in this browser's time zone. The server renders the first, with the
// instant in UTC beside it. `data-times` of the document says which is shown; a time with
// data-form="clock" always says when.

import { remember } from "./cookie.js";
import { roughly } from "./words.js";

const root = document.documentElement;
const EVERY_MS = 1000;

const today = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const anyDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function absolute(instant) {
  const isToday = instant.toDateString() === new Date().toDateString();
  return (isToday ? today : anyDay).format(instant);
}

function relative(instant) {
  const seconds = (Date.now() - instant) / 1000;
  return seconds < -1 ? `in ${roughly(-seconds)}` : `${roughly(seconds)} ago`;
}

/** Says all times within `part` anew. */
export function sayTimes(part = document) {
  const chosen = root.dataset.times === "absolute" ? absolute : relative;
  for (const element of part.querySelectorAll("time[datetime]")) {
    const instant = new Date(element.dateTime);
    const say = element.dataset.form === "clock" ? absolute : chosen;
    const words = say(instant);
    if (element.textContent !== words) element.textContent = words;
    element.title = anyDay.format(instant);
  }
}

export function followTimes() {
  const button = document.getElementById("times");
  button.setAttribute("aria-pressed", String(root.dataset.times === "absolute"));
  button.addEventListener("click", () => {
    root.dataset.times = root.dataset.times === "absolute" ? "relative" : "absolute";
    remember("times", root.dataset.times);
    button.setAttribute("aria-pressed", String(root.dataset.times === "absolute"));
    sayTimes();
  });
  sayTimes();
  setInterval(sayTimes, EVERY_MS);
}
