// What did not arrive, and why? The room of deliveries: a press opens the conversation, sends it again, or puts it aside.

import { ago, at, element, pressed, since, stated } from "./console-drawing.js";
import { Groups } from "./console-groups.js";
import { sure } from "./console-sure.js";

const UNDELIVERED = ["unknown", "failed"];
const ABOUT = {
  unknown: ["Unknown", "Nobody knows whether these arrived: the provider's answer did not come."],
  failed: ["Failed", "These did not arrive, or not whole."],
  queued: ["Queued", "These wait for their turn, or for the provider."],
  sending: ["Sending", "The provider is being called with these."],
  sent: ["Sent", "The provider took these."],
  delivered: ["Delivered", "The provider says that these arrived."],
  read: ["Read", "The provider says that these were read."],
  "": ["All", "Whatever went out or waits to, newest first."],
};
const MEANS = {
  unknown: "It may have arrived. If it did, the contact has it twice.",
  failed: "It goes out now, after all that was said since.",
};

export class Deliveries {
  constructor(api, names) {
    Object.assign(this, { api, names, busy: new Set() });
    this.groups = new Groups("delivery-groups", {
      ask: (state, token) => this.ask(state, token, { left: this.groups.states === UNDELIVERED }),
      drawn: (row) => this.drawn(row),
      about: ABOUT,
      trouble: (words) => this.trouble(words),
    });
    this.choose();
    at("delivery-state").addEventListener("change", () => this.chosen());
  }

  clear() {
    this.choose();
    this.say("");
    this.trouble("");
    this.count([]);
  }

  choose() {
    const { value } = at("delivery-state");
    this.groups.choose(value === "undelivered" ? UNDELIVERED : [value]);
  }

  chosen() {
    this.choose();
    this.trouble("");
    return this.refresh().catch((error) => this.trouble(error.message));
  }

  /** Only what is `left` to do, or all that stands so. */
  async ask(state, token, { left }) {
    const { deliveries, next_page_token } = await this.api.deliveries(state, token, { left });
    return { rows: deliveries, next_page_token };
  }

  async refresh() {
    const pages = await this.groups.refresh();
    if (pages && this.groups.states === UNDELIVERED) this.count(pages);
  }

  /** How many there are, for who is in another room: those of the first pages, and whether there are more. */
  async counting() {
    const { key } = this.api;
    const pages = await Promise.all(UNDELIVERED.map((state) => this.ask(state, "", { left: true })));
    if (key === this.api.key) this.count(pages); // else signed out meanwhile
  }

  count(pages) {
    const found = pages.reduce((sum, page) => sum + page.rows.length, 0);
    at("undelivered").textContent = pages.some((page) => page.next_page_token) ? `${found}+` : String(found);
    at("undelivered-about").textContent = " did not arrive";
    for (const id of ["undelivered", "undelivered-about"]) at(id).hidden = !found;
  }

  draw() {
    this.groups.draw();
  }

  drawn(row) {
    const item = element("li", "", "card");
    const { name, place } = this.names.of(row.conversation_id);
    const reason = row.reason === row.state ? "" : row.reason.replaceAll("_", " ");
    const code = row.provider_code && `code ${row.provider_code}`;
    const calls = `${row.attempts} ${row.attempts === 1 ? "call" : "calls"}`;
    const parts = row.parts > 1 ? `${row.parts_sent} of ${row.parts} parts taken` : "";
    item.append(...this.names.link(row.conversation_id), stated(row.state, [reason, code, calls, parts]), since(row.updated_at));
    if (!UNDELIVERED.includes(row.state)) return item;
    const by = row.put_aside_by && `by ${row.put_aside_by}`;
    if (row.put_aside_at) item.append(element("p", ["Put aside", by, ago(row.put_aside_at)].filter(Boolean).join(" "), "why"));
    const whom = [name, place].filter(Boolean).join(", ");
    const deeds = element("div", "", "deeds");
    deeds.append(this.deed("Send again", row, { whom, press: () => this.again(row, name) }));
    if (row.put_aside_at) deeds.append(this.deed("Put back", row, { whom, press: () => this.aside(row, name, false) }));
    else deeds.append(this.deed("Put aside", row, { whom, press: () => this.aside(row, name, true) }));
    item.append(deeds);
    return item;
  }

  deed(text, row, { whom, press }) {
    const made = pressed(text, press, { busy: this.busy.has(row.id) });
    made.setAttribute("aria-label", `${text}, to ${whom}`);
    return made;
  }

  async again(row, name) {
    const rest = row.parts_sent ? " Parts that were taken are not sent again." : "";
    const words = `${MEANS[row.state]}${rest}`;
    if (!(await sure({ title: `Send again to ${name}?`, words, yes: "Send again" }))) return;
    await this.change(row, "Not sent again", async () => {
      const { delivery } = await this.api.again(row);
      return `Sent again to ${name}, once. It is ${delivery.state}.`;
    });
  }

  /** Nothing is asked first: it can be put back. */
  aside(row, name, aside) {
    return this.change(row, aside ? "Not put aside" : "Not put back", async () => {
      const { delivery } = await this.api.putAside(row, aside);
      if (!aside) return `Put back: to ${name}. It is left to do.`;
      return `Put aside: to ${name}. It can be put back, under Show, ${ABOUT[delivery.state][0]}.`;
    });
  }

  async change(row, not, doing) {
    this.say("");
    this.trouble("");
    this.busy.add(row.id);
    this.draw();
    try {
      this.say(await doing());
      this.groups.forget(row.id);
    } catch (error) {
      this.trouble(`${not}: ${error.message}`);
    } finally {
      this.busy.delete(row.id);
      this.draw();
    }
    await this.refresh().catch(() => {}); // whoever asks in a moment says what is wrong
  }

  say(words) {
    at("delivery-said").textContent = words;
  }

  trouble(words) {
    if (at("delivery-trouble").textContent !== words) at("delivery-trouble").textContent = words; // a screen reader says it once
    at("delivery-trouble").hidden = !words;
  }
}
