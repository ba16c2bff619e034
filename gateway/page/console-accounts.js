// Which channel account takes part, which does not, and why? The room of accounts: pauses one, and resumes one.

import { at, element, list, pressed, since, TIME } from "./console-drawing.js";
import { sure } from "./console-sure.js";

const STATES = {
  active: "active",
  paused: "paused: it receives, and what it has to send waits",
  disabled: "removed: it neither receives nor sends",
};
// By reasons of its state and of its health: what is the case, and what to do where the mesh runs.
const WHY = {
  operator: "Somebody paused it.",
  unauthorized: "The provider refused its credentials, or took them back: give it the right ones with parley channels add, then resume it.",
  disabled: "parley channels add takes it in again.",
  secret_unreadable: "Its credentials cannot be opened: SECRET_KEYS lacks the key that they were sealed with.",
  token_expired: "Its credentials have ended: take new ones from the provider.",
  token_expires: "Its credentials end soon: take new ones from the provider.",
  webhooks_refused: "Its webhooks are refused, and none was believed: parley listen --refused says which setting mends it.",
  listener_lost: "Its provider is not heard.",
  silent: "Nobody has written for long. Is its webhook set?",
};
const PAUSE = "It goes on receiving. What it has to say waits until somebody resumes it.";
const RESUME = "What waited is sent now, however long ago it was said.";
const REFUSED = " The provider had refused its credentials: unless they are mended, it is paused again.";

const needs = (each) => each.state === "paused" || (each.state === "active" && each.health.state === "broken");
const titled = (each) => each.name || each.address || each.channel;
const rank = (each) => (needs(each) ? 0 : each.state === "active" ? 1 : 2);

/** The words for each reason once; one that this page does not know stands as it is. */
function reasons({ state, reason, health }) {
  const said = new Set(state === "active" ? [] : [reason]);
  if (!["", "paused"].includes(health.reason)) said.add(health.reason);
  const words = [...said].filter((each) => each && each !== "removed");
  return words.map((each) => WHY[each] ?? each.replaceAll("_", " ")).join(" ");
}

export class Accounts {
  constructor(api) {
    Object.assign(this, { api, found: [], busy: new Set() });
  }

  clear() {
    this.found = [];
    this.draw();
    at("account-none").hidden = true;
    this.say("");
    this.trouble("");
  }

  async refresh() {
    const { key } = this.api;
    const found = await this.api.accounts();
    if (key !== this.api.key) return; // signed out meanwhile
    this.found = found.sort((one, other) => rank(one) - rank(other));
    this.draw();
    at("account-none").hidden = found.length > 0;
  }

  counting() {
    return this.refresh();
  }

  draw() {
    list(at("account-rows"), this.found, (row) => this.drawn(row));
    const unwell = this.found.filter(needs).length;
    at("unwell").textContent = String(unwell);
    at("unwell-about").textContent = unwell === 1 ? " needs a look" : " need a look";
    for (const id of ["unwell", "unwell-about"]) at(id).hidden = !unwell;
  }

  drawn(row) {
    const item = element("li", "", "card");
    const name = element("strong", titled(row), "name");
    name.dir = "auto";
    const about = element("p", STATES[row.state], "facts state");
    about.dataset.state = needs(row) ? "failed" : row.state;
    const place = [row.channel, row.address === titled(row) ? "" : row.address].filter(Boolean).join(" · ");
    item.append(name, element("span", place, "channel"), about);
    if (row.state !== "active") item.append(since(row.changed_at, "changed"));
    else if (row.health.since) item.append(since(row.health.since, "began"));
    const why = reasons(row);
    if (why) item.append(element("p", why, "why"));
    const ends = row.health.credentials_expire_at;
    if (ends) item.append(element("p", `Its credentials end ${TIME.format(new Date(ends))}.`, "why"));
    if (row.state === "active") item.append(this.deed("Pause", row, { state: "paused", words: PAUSE }));
    const careful = row.reason === "unauthorized" ? RESUME + REFUSED : RESUME;
    if (row.state === "paused") item.append(this.deed("Resume", row, { state: "active", words: careful }));
    return item;
  }

  deed(text, row, wanted) {
    const button = pressed(text, () => this.change(row, { ...wanted, text }), { busy: this.busy.has(row.id) });
    button.setAttribute("aria-label", `${text} ${titled(row)}, ${row.channel}`);
    return button;
  }

  async change(row, { state, words, text }) {
    if (!(await sure({ title: `${text} ${titled(row)}?`, words, yes: text }))) return;
    this.say("");
    this.trouble("");
    this.busy.add(row.id);
    this.draw();
    try {
      const now = await this.api.setState(row.id, state);
      this.say(`${titled(row)} is ${now.state}.`);
    } catch (error) {
      this.trouble(`Not done: ${error.message}`);
    } finally {
      this.busy.delete(row.id);
      this.draw();
    }
    await this.refresh().catch(() => {}); // whoever asks in a moment says what is wrong
  }

  say(words) {
    at("account-said").textContent = words;
  }

  trouble(words) {
    if (at("account-trouble").textContent !== words) at("account-trouble").textContent = words; // a screen reader says it once
    at("account-trouble").hidden = !words;
  }
}
