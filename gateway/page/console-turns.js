// What waits to be answered, and what was not answered, and why? The room of turns: a press opens the conversation.

import { at, element, since, stated } from "./console-drawing.js";
import { Groups } from "./console-groups.js";

const OPEN = "";
const FIRST = [OPEN, "failed", "suppressed"];
const ABOUT = {
  [OPEN]: ["Open", "These wait for an answer, or it is being made: longest waiting first."],
  failed: ["Failed", "No answer could be made, and the person was told. Newest first."],
  suppressed: ["Suppressed", "No answer was due, or none was allowed. Newest first."],
  handed_off: ["Handed off", "These were passed on to a human. Newest first."],
  replied: ["Replied", "These were answered. Newest first."],
};

export class Turns {
  constructor(api, names) {
    Object.assign(this, { api, names });
    this.groups = new Groups("turn-groups", {
      ask: (state, token) => this.ask(state, token),
      drawn: (row) => this.drawn(row),
      about: ABOUT,
      trouble: (words) => this.trouble(words),
      oldestFirst: (state) => state === OPEN,
    });
    this.choose();
    at("turn-state").addEventListener("change", () => this.chosen());
  }

  clear() {
    this.choose();
    this.trouble("");
  }

  choose() {
    const { value } = at("turn-state");
    this.groups.choose(value === "first" ? FIRST : [value]);
  }

  chosen() {
    this.choose();
    this.trouble("");
    return this.refresh().catch((error) => this.trouble(error.message));
  }

  async ask(state, token) {
    const { turns, next_page_token } = await this.api.turns(state, token);
    return { rows: turns, next_page_token };
  }

  refresh() {
    return this.groups.refresh();
  }

  draw() {
    this.groups.draw();
  }

  drawn(row) {
    const item = element("li", "", "card");
    const messages = `${row.messages} ${row.messages === 1 ? "message" : "messages"}`;
    const tries = row.attempts > 1 ? `taken ${row.attempts} times` : "";
    const facts = [row.reason.replaceAll("_", " "), messages, tries, row.model];
    const moment = since(row.ended_at ?? row.created_at);
    moment.dataset.late = String(!row.ended_at && Date.parse(row.deadline_at) < Date.now());
    item.append(...this.names.link(row.conversation_id), stated(row.state, facts), moment);
    return item;
  }

  trouble(words) {
    if (at("turn-trouble").textContent !== words) at("turn-trouble").textContent = words; // a screen reader says it once
    at("turn-trouble").hidden = !words;
  }
}
