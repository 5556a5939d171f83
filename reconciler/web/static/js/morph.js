// Makes a part of the page what the server now says, and leaves alone what its reader has in hand:
// focus, marked text, ticked boxes, opened details, what is being typed, what is being played.

import { Idiomorph } from "../vendor/idiomorph/idiomorph.esm.js";

const IN_HAND = "input[type=checkbox], video, audio, dialog";

const pathOf = (image) => image.getAttribute("src")?.split("?")[0];

const callbacks = {
  beforeNodeMorphed(old, now) {
    if (!(old instanceof Element)) return true;
    if (old.matches("time")) return old.dateTime !== now.dateTime; // time.js has said it already
    if (old.matches("img[data-preview]")) return pathOf(old) !== pathOf(now); // previews.js cares for it
    return !old.matches(IN_HAND);
  },
  beforeAttributeUpdated(name, element) {
    if (element.matches("img[data-picture]")) return name !== "src" && name !== "hidden";
    return !(name === "open" && element.matches("details"));
  },
};

export function morph(old, now) {
  // What is typed stays; anything else that has the focus, a row for example, changes with the rest.
  const ignoreActiveValue = Boolean(document.activeElement?.matches("input, select, textarea"));
  Idiomorph.morph(old, now, { morphStyle: "outerHTML", ignoreActiveValue, callbacks });
}
