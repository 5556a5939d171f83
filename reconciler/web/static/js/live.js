// Keeps the page up to date: an EventSource says that something changed, refresh.js fetches what.
// A page that nobody sees holds no connection; one that is paused changes nothing.

import { hold, refresh } from "./refresh.js";
import { showProgress } from "./progress.js";

/** Also where the stream says nothing: what it cannot tell is never older than this. */
const ANYWAY_MS = 10000;
const WORDS = { live: "Live", paused: "Paused", connecting: "Connecting", away: "Reconnecting" };

const indicator = document.getElementById("pause");
const job = document.querySelector("main").dataset.liveJob;
let stream = null;
let anyway = null;

export function isPaused() {
  return sessionStorage.getItem("paused") === "yes";
}

function show(state) {
  indicator.dataset.state = state;
  indicator.querySelector("[data-words]").textContent = WORDS[state];
  indicator.setAttribute("aria-pressed", String(state === "paused"));
}

function start() {
  stop();
  show("connecting");
  stream = new EventSource(job ? `/api/v1/stream?job=${encodeURIComponent(job)}` : "/api/v1/stream");
  stream.onopen = () => show("live");
  stream.onerror = () => show("away");
  stream.addEventListener("progress", (message) => showProgress(JSON.parse(message.data)));
  for (const kind of ["event", "servers", "resync", "hello", "recovered", "problem"]) {
    stream.addEventListener(kind, () => {
      show(kind === "problem" ? "away" : "live");
      refresh();
    });
  }
  anyway = setInterval(reconnectAndRefresh, ANYWAY_MS);
}

function reconnectAndRefresh() {
  if (stream.readyState === EventSource.CLOSED) start(); // refused for good: only we try again
  refresh();
}

function stop() {
  stream?.close();
  stream = null;
  clearInterval(anyway);
}

function follow() {
  if (isPaused()) {
    stop();
    hold();
    show("paused");
  } else if (document.hidden) {
    stop();
  } else {
    start();
    refresh();
  }
}

export function followLive() {
  indicator.addEventListener("click", () => {
    sessionStorage.setItem("paused", isPaused() ? "no" : "yes");
    follow();
  });
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && follow());
  follow();
}
