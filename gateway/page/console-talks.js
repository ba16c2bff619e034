// Who waits for a human, and who has which conversation? Lists them, and opens one.

import { ago, at, element, list } from "./console-drawing.js";
import { titled } from "./console-talk.js";

const OWNERS = { waiting: "queue", human: "human", all: "" };
const NOBODY = {
  waiting: "Nobody waits for a human.",
  human: "No conversation is with a human.",
  all: "Nothing was said yet. Write to one of your accounts, or on the chat page.",
};

export class Talks {
  constructor(api, talk, { wake }) {
    Object.assign(this, { api, talk, wake, which: "waiting" });
    this.forget();
    for (const tab of document.querySelectorAll("[data-which]")) tab.addEventListener("click", () => this.turn(tab));
    at("more").addEventListener("click", () => this.further().catch((error) => this.trouble(error.message)));
  }

  /** `rows`: by id, what is shown. `more`: the token of the next page. `later`: what was shown behind the first one.
   * `listed`: whether it is known who there is. */
  forget() {
    Object.assign(this, { rows: new Map(), more: "", later: [], listed: false });
  }

  clear() {
    this.forget();
    this.draw();
    this.counted([]);
    this.trouble("");
  }

  turn(tab) {
    this.which = tab.dataset.which;
    for (const each of document.querySelectorAll("[data-which]")) each.setAttribute("aria-pressed", String(each === tab));
    this.forget();
    at("rows").replaceChildren();
    this.wake();
  }

  /** The first page anew; what was shown behind it stays as it was seen. */
  async refresh() {
    const asked = this.which;
    const { key } = this.api;
    const [queue, page] = await Promise.all([this.api.queue(), this.api.conversations(OWNERS[asked])]);
    if (key !== this.api.key) return; // signed out meanwhile
    this.counted(queue.entries);
    if (asked !== this.which) return;
    const known = new Map([...page.conversations, ...this.later].map((each) => [each.id, each]));
    const entries = new Map(queue.entries.map((each) => [each.conversation_id, each]));
    const order = asked === "waiting" ? queue.entries.map((each) => each.conversation_id) : [...known.keys()];
    const shown = order.filter((id) => known.has(id));
    this.rows = new Map(shown.map((id) => [id, { id, conversation: known.get(id), entry: entries.get(id) }]));
    this.listed = true;
    if (!this.later.length) this.more = asked === "waiting" ? "" : page.next_page_token;
    this.draw();
  }

  async further() {
    const page = await this.api.conversations(OWNERS[this.which], this.more);
    this.later = [...this.later, ...page.conversations];
    this.more = page.next_page_token;
    this.wake();
  }

  counted(entries) {
    at("count").textContent = String(entries.length);
    at("count").hidden = !entries.length;
    document.title = entries.length ? `(${entries.length}) Console · Parley` : "Console · Parley";
  }

  draw() {
    list(at("rows"), [...this.rows.values()], (row) => this.drawn(row));
    at("none").textContent = NOBODY[this.which];
    at("none").hidden = this.rows.size > 0 || !this.listed;
    at("more").hidden = !this.more;
  }

  drawn({ conversation, entry }) {
    const item = document.createElement("li");
    const button = element("button", "", "row");
    button.type = "button";
    button.setAttribute("aria-current", String(conversation.id === this.talk.shown?.id));
    const name = element("span", titled(conversation), "name");
    name.dir = "auto";
    button.append(name, element("span", conversation.channel, "channel"));
    if (entry) {
      const late = Date.parse(entry.due_at) < Date.now();
      const waits = element("span", `${late ? "overdue · " : ""}${ago(entry.created_at)}`, "since");
      waits.dataset.late = String(late);
      button.append(element("span", entry.reason.replaceAll("_", " "), "reason"), waits);
    } else {
      button.append(element("span", conversation.owner, "reason"), element("span", ago(conversation.updated_at), "since"));
    }
    button.addEventListener("click", () => { location.hash = conversation.id; });
    item.append(button);
    return item;
  }

  /** Whether it could be shown. */
  async open(id) {
    const row = this.rows.get(id);
    try {
      const conversation = row?.conversation ?? (await this.api.conversation(id));
      await this.talk.show(conversation, row?.entry?.summary ?? "");
    } catch (error) {
      if (!row) return false;
      this.talk.trouble(error.message);
    }
    this.draw();
    at("talk").focus();
    return true;
  }

  close() {
    const left = this.talk.shown?.id;
    this.talk.hide();
    this.draw();
    [...at("rows").children].find((each) => each.dataset.id === left)?.firstChild.focus();
  }

  trouble(words) {
    if (at("list-trouble").textContent !== words) at("list-trouble").textContent = words; // a screen reader says it once
    at("list-trouble").hidden = !words;
  }
}
