// What do the rooms of the console draw in the same way? Words as text, times, and lists whose rows stay where they are.

import { at, element } from "./elements.js";

const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const SPANS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
export const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export { at, element };

export function ago(stated) {
  const seconds = (Date.parse(stated) - Date.now()) / 1000;
  const [unit, size] = SPANS.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return AGO.format(Math.trunc(seconds / size), unit);
}

/** How long ago; the time itself where somebody points at it. */
export function since(stated, what = "") {
  const made = element("time", [what, ago(stated)].filter(Boolean).join(" "), "since");
  made.dateTime = stated;
  made.title = TIME.format(new Date(stated));
  return made;
}

/** Where something stands, and what else is to be said of it. */
export function stated(state, facts) {
  const made = element("p", "", "facts");
  const word = element("strong", state.replaceAll("_", " "), "state");
  word.dataset.state = state;
  made.append(word, ["", ...facts.filter(Boolean)].join(" · "));
  return made;
}

/** While it is `busy` it keeps the focus, and a press does nothing. */
export function pressed(text, press, { busy = false } = {}) {
  const made = element("button", text);
  made.type = "button";
  if (busy) made.setAttribute("aria-disabled", "true");
  else made.addEventListener("click", press);
  return made;
}

/** Shows the rows, each by its id. What looks as before stays, and so does the focus. */
export function list(place, rows, drawn) {
  const known = new Map([...place.children].map((each) => [each.dataset.id, each]));
  const held = document.activeElement?.closest("li");
  const focused = held && place.contains(held) ? { id: held.dataset.id, index: [...place.children].indexOf(held) } : null;
  const control = focused && [...held.querySelectorAll("a, button")].indexOf(document.activeElement);
  const items = rows.map((row) => {
    const item = drawn(row);
    item.dataset.id = row.id;
    return known.get(row.id)?.outerHTML === item.outerHTML ? known.get(row.id) : item;
  });
  if (items.length === place.children.length && items.every((each, index) => each === place.children[index])) return;
  place.replaceChildren(...items);
  if (!focused || place.contains(document.activeElement)) return;
  const again = items.find((each) => each.dataset.id === focused.id) ?? items[Math.min(focused.index, items.length - 1)];
  const controls = again ? [...again.querySelectorAll("a, button")] : [];
  (controls[control] ?? controls[0] ?? place.closest("main")).focus({ preventScroll: true });
}
