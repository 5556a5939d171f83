// Progress as the stream tells it, without a fetch: bars marked data-progress-of="<job id>".

import { remaining } from "./words.js";

export function showProgress({ job_id: id, progress, eta_s: etaS, eta_high_s: highS }) {
  for (const part of document.querySelectorAll(`[data-progress-of="${CSS.escape(id)}"]`)) {
    const bar = part.querySelector("progress");
    if (bar && progress !== null && progress !== undefined) {
      bar.value = progress;
      set(part.querySelector("[data-percent]"), `${Math.floor(progress)} %`);
    }
    set(part.querySelector("[data-remaining]"), remaining(etaS, highS));
  }
}

function set(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}
