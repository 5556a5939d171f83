// What is asked for several jobs at once: ticked rows, a button, a question, one request.

import { announce } from "./copy.js";
import { refresh } from "./refresh.js";

const WORDS = {
  cancel: ["Cancel", "Their prompts are taken from ComfyUI's queue, or interrupted."],
  forget: ["Forget", "They are not watched any more. Their rows and files stay as they are."],
  recheck: ["Recheck", "Their files are inspected again, and judged as if for the first time."],
  accept: ["Accept as it is", "They become completed with the files that are there, whatever is wrong with them."],
};

const form = document.getElementById("bulk");
const dialog = document.getElementById("confirm");
let asked = null;

const token = () => document.querySelector("meta[name=csrf-token]").content;
const boxes = () => [...document.querySelectorAll("input[name=job]")];
const ticked = () => boxes().filter((box) => box.checked).map((box) => box.value);

function tellHowMany() {
  const number = ticked().length;
  form.querySelector("[data-count]").textContent = number ? `${number} selected` : "None selected";
  for (const button of form.querySelectorAll("button")) button.disabled = !number;
  const all = document.getElementById("tick-all");
  all.checked = number > 0 && number === boxes().length;
  all.indeterminate = number > 0 && number < boxes().length;
}

function ask(action) {
  asked = { action, job_ids: ticked() };
  const number = asked.job_ids.length;
  const [verb, what] = WORDS[action];
  dialog.querySelector("h2").textContent = `${verb}: ${number} ${number === 1 ? "job" : "jobs"}?`;
  dialog.querySelector("[data-what]").textContent = what;
  dialog.querySelector("[data-ids]").textContent = asked.job_ids.join(", ");
  dialog.returnValue = "";
  dialog.showModal();
}

async function send() {
  if (dialog.returnValue !== "yes") return;
  try {
    announce(told(await post(asked)));
  } catch (error) {
    announce(`Nothing was asked for: ${error.message}`);
  }
  for (const box of boxes()) box.checked = false;
  tellHowMany();
  refresh();
}

async function post(body) {
  const answer = await fetch("/api/v1/jobs/bulk", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": token() },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail ?? said.title ?? answer.statusText);
  return said;
}

function told({ requests }) {
  const refused = requests.filter((request) => request.outcome === "refused");
  const asking = requests.length - refused.length;
  const words = `Asked for ${asking} ${asking === 1 ? "job" : "jobs"}.`;
  if (!refused.length) return words;
  return `${words} Refused for ${refused.length}: ${refused[0].job_id}: ${refused[0].answer}`;
}

export function offerBulk() {
  if (!form) return;
  document.addEventListener("change", (event) => {
    if (event.target.id === "tick-all") for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches("[name=job], #tick-all")) tellHowMany();
  });
  for (const button of form.querySelectorAll("button")) {
    button.addEventListener("click", () => ask(button.value));
  }
  dialog.addEventListener("close", send);
  tellHowMany();
}
