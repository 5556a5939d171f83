// Buttons that ask before they change something: <button data-ask="Title?" data-what="Consequence"
// data-post="/api/v1/..." data-yes="Do it">. The answer of the server is announced.

import { announce } from "./copy.js";
import { refresh } from "./refresh.js";

const dialog = document.getElementById("ask");
const token = () => document.querySelector("meta[name=csrf-token]").content;
let asking = null;

function ask(button) {
  asking = button;
  dialog.querySelector("h2").textContent = button.dataset.ask;
  dialog.querySelector("[data-what]").textContent = button.dataset.what;
  dialog.querySelector("[data-yes]").textContent = button.dataset.yes;
  dialog.returnValue = "";
  dialog.showModal();
}

async function post(button) {
  const answer = await fetch(button.dataset.post, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": token() },
    body: button.dataset.body ?? "{}",
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.detail ?? said.title ?? answer.statusText);
  return said;
}

async function answered() {
  const button = asking;
  asking = null;
  button.focus();
  if (dialog.returnValue !== "yes") return;
  try {
    const said = await post(button);
    announce(said.answer ?? button.dataset.done ?? "Asked: the outcome appears on this page.");
  } catch (error) {
    announce(`Nothing was changed: ${error.message}`);
  }
  refresh();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ask]");
  if (button) ask(button);
});
dialog.addEventListener("close", answered);
