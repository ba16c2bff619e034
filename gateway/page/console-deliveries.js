// What did not arrive, and why? The room of deliveries: a press opens the conversation, another one sends it again.

import { at, element, list, pressed, since } from "./console-drawing.js";
import { sure } from "./console-sure.js";

const UNDELIVERED = ["unknown", "failed"];
const ABOUT = {
  unknown: "Nobody knows whether these arrived: the provider's answer did not come.",
  failed: "These did not arrive, or not whole.",
  queued: "These wait for their turn, or for the provider.",
  sending: "The provider is being called with these.",
  sent: "The provider took these.",
  delivered: "The provider says that these arrived.",
  read: "The provider says that these were read.",
  "": "Whatever went out or waits to, newest first.",
};
const MEANS = {
  unknown: "It may have arrived. If it did, the contact has it twice.",
  failed: "It goes out now, after all that was said since.",
};
const NOTHING = "None.";

export class Deliveries {
  constructor(api, names) {
    Object.assign(this, { api, names, wanted: UNDELIVERED, groups: new Map(), busy: new Set(), began: 0 });
    at("delivery-state").addEventListener("change", () => this.choose(at("delivery-state").value));
  }

  clear() {
    this.groups = new Map();
    this.say("");
    this.trouble("");
    this.count([]);
    at("delivery-groups").replaceChildren();
  }

  choose(chosen) {
    this.wanted = chosen === "undelivered" ? UNDELIVERED : [chosen];
    this.groups = new Map();
    at("delivery-groups").replaceChildren();
    this.trouble("");
    return this.refresh().catch((error) => this.trouble(error.message));
  }

  /** The first pages anew. */
  async refresh() {
    const { wanted, groups } = this;
    const pages = await Promise.all(wanted.map((state) => this.api.deliveries(state)));
    if (groups !== this.groups) return; // somebody chose others, or signed out
    if (wanted === UNDELIVERED) this.count(pages);
    wanted.forEach((state, index) => this.take(state, pages[index]));
    this.draw();
  }

  /** Newest first: what is older than the first page ends stays, and what is missing in it stands so no more. */
  take(state, page) {
    const group = this.groups.get(state) ?? { first: [], later: [], more: "" };
    const last = page.next_page_token ? page.deliveries.at(-1).id : "";
    const later = [...group.first, ...group.later].filter((each) => each.id < last);
    const more = later.length ? group.more : page.next_page_token;
    this.groups.set(state, Object.assign(group, { first: page.deliveries, later, more }));
  }

  /** How many there are, for who is in another room: those of the first pages, and whether there are more. */
  async counting() {
    const { groups } = this;
    const pages = await Promise.all(UNDELIVERED.map((state) => this.api.deliveries(state)));
    if (groups === this.groups) this.count(pages);
  }

  count(pages) {
    const found = pages.reduce((sum, page) => sum + page.deliveries.length, 0);
    at("undelivered").textContent = pages.some((page) => page.next_page_token) ? `${found}+` : String(found);
    at("undelivered-about").textContent = " did not arrive";
    for (const id of ["undelivered", "undelivered-about"]) at(id).hidden = !found;
  }

  draw() {
    for (const state of this.wanted) {
      const group = this.groups.get(state);
      if (!group) continue;
      group.place ??= this.place(state);
      const rows = [...group.first, ...group.later];
      list(group.place.rows, rows, (row) => this.drawn(row));
      group.place.none.hidden = rows.length > 0;
      group.place.more.hidden = !group.more;
    }
  }

  place(state) {
    const made = element("section", "", "group");
    const rows = element("ul", "", "cards");
    const none = element("p", NOTHING, "none");
    const more = pressed("Show more", () => this.further(state));
    made.append(element("h3", state ? state[0].toUpperCase() + state.slice(1) : "All"), element("p", ABOUT[state], "about-group"), none, rows, more);
    at("delivery-groups").append(made);
    return { rows, none, more };
  }

  drawn(row) {
    const item = element("li", "", "card");
    const { name, place } = this.names.of(row.conversation_id);
    const link = element("a", name, "name");
    link.href = `#${row.conversation_id}`;
    link.dir = "auto";
    const reason = row.reason === row.state ? "" : row.reason.replaceAll("_", " ");
    const why = [reason, row.provider_code && `code ${row.provider_code}`];
    const calls = `${row.attempts} ${row.attempts === 1 ? "call" : "calls"}`;
    const parts = row.parts > 1 ? `${row.parts_sent} of ${row.parts} parts taken` : "";
    const state = element("strong", row.state, "state");
    state.dataset.state = row.state;
    const about = element("p", "", "facts");
    about.append(state, ["", ...[...why, calls, parts].filter(Boolean)].join(" · "));
    item.append(link, element("span", place, "channel"), about, since(row.updated_at));
    if (!UNDELIVERED.includes(row.state)) return item;
    const again = pressed("Send again", () => this.again(row, name));
    again.setAttribute("aria-label", `Send again, to ${name}`);
    again.disabled = this.busy.has(row.id);
    item.append(again);
    return item;
  }

  async further(state) {
    const group = this.groups.get(state);
    try {
      const page = await this.api.deliveries(state, group.more);
      if (this.groups.get(state) !== group) return;
      const known = new Set([...group.first, ...group.later].map((each) => each.id));
      group.later.push(...page.deliveries.filter((each) => !known.has(each.id)));
      group.more = page.next_page_token;
      this.draw();
    } catch (error) {
      this.trouble(error.message);
    }
  }

  async again(row, name) {
    const rest = row.parts_sent ? " Parts that were taken are not sent again." : "";
    const words = `${MEANS[row.state]}${rest}`;
    if (!(await sure({ title: `Send again to ${name}?`, words, yes: "Send again" }))) return;
    this.trouble("");
    this.busy.add(row.id);
    this.draw();
    try {
      const { delivery } = await this.api.again(row);
      this.say(`Sent again to ${name}, once. It is ${delivery.state}.`);
      this.forget(row);
    } catch (error) {
      this.trouble(`Not sent again: ${error.message}`);
    } finally {
      this.busy.delete(row.id);
      this.draw();
    }
    await this.refresh().catch(() => {}); // whoever asks in a moment says what is wrong
  }

  /** It does not stand so any more. */
  forget({ id }) {
    for (const group of this.groups.values()) {
      group.first = group.first.filter((each) => each.id !== id);
      group.later = group.later.filter((each) => each.id !== id);
    }
  }

  say(words) {
    at("delivery-said").textContent = words;
  }

  trouble(words) {
    if (at("delivery-trouble").textContent !== words) at("delivery-trouble").textContent = words; // a screen reader says it once
    at("delivery-trouble").hidden = !words;
  }
}
