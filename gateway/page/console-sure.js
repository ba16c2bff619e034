// Is somebody sure? Asked once, before what cannot be taken back is done. Escape leaves it as it is.

import { at } from "./console-drawing.js";

/** Whether they are. */
export function sure({ title, words, yes }) {
  const dialog = at("sure");
  at("sure-title").textContent = title;
  at("sure-words").textContent = words;
  at("sure-yes").textContent = yes;
  dialog.returnValue = ""; // Escape says nothing, and what was said the last time would count
  dialog.showModal();
  at("sure-no").focus();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}

export function unasked() {
  if (at("sure").open) at("sure").close("");
}

at("sure-yes").addEventListener("click", () => at("sure").close("yes"));
at("sure-no").addEventListener("click", () => at("sure").close(""));
