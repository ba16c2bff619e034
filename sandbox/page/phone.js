// What does one phone look like, and what can be done on it?

import { Picker, attachment } from "./files.js";
import { button, draw, make } from "./parts.js";

const TICK = "M1 6l3.5 3.5L11 2";
const TICKS = "M1 6l3.5 3.5L11 2M7 8l1.500 1.500L15 2";
const CLOCK = "M8 3v3l2 1.500M8 1a5 5 0 1 0 .01 0";
const CROSS = "M4 2l8 8M12 2l-8 8";

// state -> what is drawn, and what is read out
const STATES = {
  posting: [CLOCK, "on its way to Parley"],
  held: [CLOCK, "held back"],
  heard: [TICKS, "Parley took it"],
  refused: [CROSS, "Parley did not take it"],
  taken: [TICK, "taken by the provider"],
  sent: [TICK, "receipt: sent"],
  delivered: [TICKS, "receipt: delivered"],
  read: [TICKS, "read"],
  failed: [CROSS, "not delivered"],
};
const WAYS = { in: ["→", "posted at Parley: "], out: ["←", "called by Parley: "] };

/** Characters with their looks. Where a link leads is told and not followed: this is a picture of a phone. */
function dressed(run) {
  const made = make("span", run.styles.filter((each) => each !== "quote").join(" "), run.text);
  if (run.link) made.title = run.link;
  return made;
}

/** What is quoted stands in one block, whatever its looks are. */
function paragraph(runs) {
  const root = make("p", "words");
  let quote = null;
  for (const run of runs) {
    if (!run.styles.includes("quote")) quote = null;
    else if (!quote) root.append((quote = make("span", "quote")));
    (quote ?? root).append(dressed(run));
  }
  return root;
}

const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
const exact = (iso) => new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** One column: the phone, what may go wrong with it, and what happened. */
export class PhoneView {
  constructor(about, act) {
    this.about = about;
    this.act = act;
    this.shown = new Map();
    this.noted = 0;
    this.root = make("section", "column", this.#phone(), this.#panel());
    this.root.dataset.channel = about.channel;
    this.root.setAttribute("aria-label", about.title);
    for (const [name, colour] of Object.entries(about.skin)) this.root.style.setProperty(`--skin-${name}`, colour);
  }

  render(state) {
    this.person.textContent = this.person.title = `You are ${state.person}`;
    this.way.textContent = `What you write travels ${state.way}.`;
    this.#renderBubbles(state.bubbles);
    this.#renderDraft(state.draft, state.draft_until);
    this.#renderWriting(state.writes_until);
    this.#renderWishes(state);
    this.#renderEvents(state);
  }

  #phone() {
    this.person = make("p", "");
    this.time = make("span", "", clock(new Date().toISOString()));
    setInterval(() => { this.time.textContent = clock(new Date().toISOString()); }, 10_000);
    const battery = make("span", "battery");
    for (const each of [this.time, battery]) each.setAttribute("aria-hidden", "true");
    const face = make("span", "face", "P");
    face.setAttribute("aria-hidden", "true");
    const party = make("div", "party", face, make("div", "", make("h2", "", this.about.title), this.person));
    this.bubbles = make("ol", "bubbles");
    this.bubbles.setAttribute("role", "log");
    this.bubbles.setAttribute("aria-label", `Messages on ${this.about.title}`);
    this.empty = make("p", "empty", "Write something, as a customer would.");
    this.writes = make("p", "writes", make("span", "unseen", "Parley is writing"), make("i", ""), make("i", ""), make("i", ""));
    this.writes.hidden = true;
    this.draft = make("div", "drafted", paragraph([]));
    this.draft.hidden = true;
    this.draft.setAttribute("aria-label", "What Parley has written so far");
    this.chat = make("div", "chat", this.empty, this.bubbles, this.draft, this.writes);
    this.chat.tabIndex = 0;
    this.chat.setAttribute("aria-label", `Conversation on ${this.about.title}`);
    const bar = make("header", "bar", make("div", "top", this.time, battery), party);
    const form = this.#form();
    const phone = make("div", "phone", make("div", "screen", bar, this.chat, this.picker.waiting, form));
    this.picker.listen(phone, this.text);
    return phone;
  }

  #form() {
    this.text = make("textarea", "");
    Object.assign(this.text, { rows: 1, maxLength: 4096, placeholder: "Message", dir: "auto" });
    this.text.setAttribute("aria-label", `Message on ${this.about.title}`);
    this.text.setAttribute("enterkeyhint", "send");
    const send = make("button", "", draw("M4 12l16-8-6 16-3-6z", "0 0 24 24"));
    send.type = "submit";
    send.setAttribute("aria-label", `Send on ${this.about.title}`);
    this.picker = new Picker(this.about.title);
    const form = make("form", "write", this.picker.button, this.picker.input, this.text, send);
    form.addEventListener("submit", (event) => this.#say(event));
    this.text.addEventListener("input", () => this.#fit());
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#say(event);
    });
    return form;
  }

  #panel() {
    this.fault = make("select", "");
    for (const each of this.about.faults) {
      const option = make("option", "", each.title);
      option.value = each.name;
      this.fault.append(option);
    }
    this.seconds = make("input", "seconds");
    Object.assign(this.seconds, { type: "number", min: 1, max: 120 });
    this.seconds.setAttribute("aria-label", `Seconds, on ${this.about.title}`);
    this.howLong = make("label", "wish short", make("span", "", "Seconds"), this.seconds);
    this.fault.setAttribute("aria-label", `What goes wrong on ${this.about.title}`);
    this.told = make("p", "told");
    this.fault.addEventListener("change", () => this.act("fault", { fault: this.fault.value }));
    this.seconds.addEventListener("change", () => {
      const seconds = Math.min(Math.max(Math.trunc(Number(this.seconds.value)) || 1, 1), 120);
      this.act("fault", { fault: this.fault.value, seconds });
    });
    const wish = make("label", "wish", make("span", "", "What goes wrong"), this.fault);
    this.wishes = make("div", "wishes", make("div", "pair", wish, this.howLong), this.told, this.#manners());
    this.events = make("ol", "events");
    this.nothing = make("p", "nothing", "Webhooks and calls will be listed here.");
    this.way = make("p", "travels", "");
    const happened = make("div", "happened", make("h3", "", "What happened"), this.way, this.nothing, this.events);
    return make("div", "panel", this.wishes, happened);
  }

  #manners() {
    const renew = button("quiet", "New person", () => this.act("person", {}));
    renew.setAttribute("aria-label", `New person on ${this.about.title}`);
    this.automatic = make("input", "");
    this.automatic.type = "checkbox";
    this.automatic.addEventListener("change", () => this.act("receipts", { automatic: this.automatic.checked }));
    const check = make("label", "check", this.automatic, "Automatic receipts");
    const none = make("span", "check", "No receipts here");
    return make("div", "row", this.about.receipts ? check : none, renew);
  }

  async #say(event) {
    event.preventDefault();
    const text = this.text.value;
    const chosen = this.picker.chosen;
    if (!text.trim() && !chosen) return;
    this.text.value = "";
    this.#fit();
    const file = await this.picker.take();
    if (await this.act("say", file ? { text, file } : { text })) return;
    if (!this.text.value) this.text.value = text;
    this.picker.choose(chosen);
  }

  #fit() {
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight + 2}px`;
  }

  #renderBubbles(bubbles) {
    const before = this.shown.size;
    const wanted = new Set(bubbles.map((each) => each.id));
    for (const [id, entry] of this.shown) {
      if (!wanted.has(id)) { entry.root.remove(); this.shown.delete(id); }
    }
    for (const each of bubbles) {
      const entry = this.shown.get(each.id) ?? this.#appear(each);
      this.#refresh(entry, each);
    }
    this.empty.hidden = bubbles.length > 0;
    if (this.shown.size !== before) this.chat.scrollTop = this.chat.scrollHeight;
  }

  /** What is being written, where it is no message yet. */
  #renderDraft(runs, until) {
    clearTimeout(this.lapsing);
    const left = until ? Date.parse(until) - Date.now() : 0;
    this.draft.hidden = left <= 0;
    if (left <= 0) return;
    this.draft.replaceChildren(paragraph(runs));
    this.lapsing = setTimeout(() => { this.draft.hidden = true; }, left);
    this.chat.scrollTop = this.chat.scrollHeight;
  }

  /** Until our message, or until the provider would stop showing it. */
  #renderWriting(until) {
    clearTimeout(this.fading);
    const left = until ? Date.parse(until) - Date.now() : 0;
    this.writes.hidden = left <= 0;
    if (left <= 0) return;
    this.fading = setTimeout(() => { this.writes.hidden = true; }, left);
    this.chat.scrollTop = this.chat.scrollHeight;
  }

  #appear(bubble) {
    const meta = make("p", "meta");
    const root = make("li", `bubble${bubble.mine ? " mine" : ""}`, paragraph(bubble.runs), meta);
    const entry = { root, meta, drawn: "" };
    this.shown.set(bubble.id, entry);
    this.bubbles.append(root);
    return entry;
  }

  #refresh(entry, bubble) {
    const drawn = JSON.stringify([bubble.state, bubble.note, bubble.detail, bubble.next, bubble.runs, bubble.file]);
    if (drawn === entry.drawn) return;
    entry.root.querySelector(".words").replaceWith(paragraph(bubble.runs));
    entry.drawn = drawn;
    if (bubble.file && entry.file !== bubble.file.id) this.#attach(entry, bubble.file);
    const [path, spoken] = STATES[bubble.state];
    entry.root.dataset.state = bubble.state;
    entry.meta.title = spoken;
    const detail = bubble.detail ? [make("span", "detail", bubble.detail)] : [];
    entry.meta.replaceChildren(...detail, clock(bubble.at), draw(path, "0 0 16 11"), make("span", "unseen", spoken));
    for (const each of entry.root.querySelectorAll(".note, .deed")) each.remove();
    if (bubble.note) entry.root.append(make("p", "note", bubble.note));
    if (bubble.next) entry.root.append(button("deed", `Send receipt: ${bubble.next}`, () => this.act("receipt", { id: bubble.id })));
    if (bubble.state === "refused") entry.root.append(button("deed", "Post again", () => this.act("again", { id: bubble.id })));
    this.chat.scrollTop = this.chat.scrollHeight;
  }

  /** Above the words. What is below has to be seen again when the picture is there. */
  #attach(entry, file) {
    entry.file = file.id;
    entry.root.querySelector(".picture, .file")?.remove();
    const made = attachment(file);
    made.querySelector("img")?.addEventListener("load", () => { this.chat.scrollTop = this.chat.scrollHeight; });
    entry.root.prepend(made);
  }

  #renderWishes(state) {
    const fault = this.about.faults.find((each) => each.name === state.fault);
    this.wishes.dataset.fault = state.fault;
    this.fault.value = state.fault;
    this.told.textContent = fault.hint;
    this.howLong.hidden = fault.seconds === 0;
    if (document.activeElement !== this.seconds) this.seconds.value = state.seconds;
    this.automatic.checked = state.automatic;
  }

  #renderEvents(state) {
    const first = state.noted - state.events.length;
    const fresh = state.events.slice(Math.max(this.noted - first, 0));
    this.noted = state.noted;
    for (const each of fresh) this.events.prepend(this.#event(each));
    while (this.events.children.length > state.events.length) this.events.lastChild.remove();
    this.nothing.hidden = state.events.length > 0;
    this.events.hidden = state.events.length === 0;
  }

  #event(event) {
    const [arrow, spoken] = WAYS[event.way];
    const way = make("span", "way", arrow);
    way.setAttribute("aria-hidden", "true");
    const took = event.took_ms === null ? "" : ` · ${event.took_ms} ms`;
    const what = make("span", "what", make("span", "unseen", spoken), event.what);
    return make("li", event.good ? "good" : "", make("time", "", exact(event.at)), way, what, make("span", "said", event.status + took));
  }
}
