// How is one conversation shown to a support team, and how do they take it over, answer, and give it back?

import { at, element, TIME } from "./console-drawing.js";
import { Field } from "./field.js";

const PAGE = 50;
const WATCHED = 20; // of the newest, what becomes of their deliveries is looked for
const SPEAKERS = { contact: "Contact", agent: "Agent", operator: "Human", system: "System" };
const OWNERS = {
  agent: "The agent answers",
  queue: "Waits for a human",
  human: "A human answers",
  none: "Nobody answers",
};
const HINTS = {
  agent: "Take over to answer: the agent says nothing from then on.",
  queue: "Take over to answer.",
  human: "",
  none: "Take over to answer.",
};
const ERASED = "erased:"; // before the id that stands for a chat that is gone
const GONE = "This contact was erased: nobody can write to them.";
const OPTED_OUT = "They want no messages: nobody can write to them until they write START.";
const UNREAD = "A message of a kind that cannot be read here";
const FASTER = "Somebody else was faster: this is how it stands now.";

const isErased = (conversation) => conversation.chat_id.startsWith(ERASED);

export const titled = (each) => (isErased(each) ? "Erased contact" : each.contact_name || each.chat_id);

/** Where: the channel, and whom it knows there. */
export const placed = (each) => [each.channel, isErased(each) ? "" : each.chat_id].filter(Boolean).join(" · ");

/** Why nobody can write to them; "" when somebody can. */
function mute(conversation) {
  if (isErased(conversation)) return GONE;
  return conversation.opted_out_at ? OPTED_OUT : "";
}

export class Talk {
  constructor(api, { moved }) {
    Object.assign(this, { api, moved, shown: null, sending: false, entries: new Map() });
    this.field = new Field({ form: at("form"), text: at("text"), send: at("send"), problem: at("long") }, (text) => this.say(text));
    at("take").addEventListener("click", () => this.give("human"));
    at("give").addEventListener("click", () => this.give("agent"));
    at("older").addEventListener("click", () => this.older());
  }

  /** Shows another one, from its newest messages on. */
  async show(conversation, summary) {
    this.shown = conversation;
    this.entries.clear();
    at("log").replaceChildren();
    at("log").setAttribute("aria-live", "off");
    at("text").value = "";
    this.field.fit();
    this.trouble("");
    this.describe(conversation, summary);
    at("talk").hidden = false;
    this.first = Math.max(0, conversation.last_seq - PAGE);
    await this.take(this.first);
    at("log").setAttribute("aria-live", "polite");
    at("scroll").scrollTop = at("scroll").scrollHeight;
  }

  hide() {
    this.shown = null;
    at("talk").hidden = true;
  }

  describe(conversation, summary) {
    if (this.shown?.id !== conversation.id) return;
    this.shown = conversation;
    const { owner } = conversation;
    const silence = mute(conversation);
    at("name").textContent = titled(conversation);
    at("place").textContent = placed(conversation);
    if (at("owner").textContent !== OWNERS[owner]) at("owner").textContent = OWNERS[owner];
    at("owner").dataset.owner = owner;
    at("take").hidden = owner === "human" || Boolean(silence);
    at("give").hidden = owner === "agent" || Boolean(silence);
    at("text").disabled = owner !== "human" || Boolean(silence) || this.sending;
    at("hint").textContent = silence || HINTS[owner];
    if (summary === undefined) return;
    at("summary").textContent = summary;
    at("summary").hidden = !summary;
  }

  /** What is new, and what became of the newest. */
  async refresh() {
    const { shown } = this;
    if (!shown) return;
    const now = await this.api.conversation(shown.id);
    this.describe(now);
    if (this.shown?.id === shown.id) await this.take(Math.max(this.first, this.last - WATCHED));
  }

  get last() {
    return Math.max(this.first, ...this.entries.keys());
  }

  async take(afterSeq) {
    const { id } = this.shown;
    const near = at("scroll").scrollHeight - at("scroll").scrollTop - at("scroll").clientHeight < 120;
    for (let page = { more: true }; page.more; ) {
      page = await this.api.messages(id, afterSeq, 200);
      if (this.shown?.id !== id || !page.messages.length) break;
      for (const message of page.messages) this.put(message);
      afterSeq = page.messages.at(-1).seq;
    }
    at("older").hidden = this.first === 0;
    if (near) at("scroll").scrollTop = at("scroll").scrollHeight;
  }

  async older() {
    const { id } = this.shown;
    const before = this.first;
    this.first = Math.max(0, before - PAGE);
    const height = at("scroll").scrollHeight;
    try {
      const { messages } = await this.api.messages(id, this.first, before - this.first);
      if (this.shown?.id !== id) return;
      for (const message of messages) this.put(message);
      at("scroll").scrollTop += at("scroll").scrollHeight - height;
      at("older").hidden = this.first === 0;
      if (this.first === 0) at("scroll").focus();
    } catch (error) {
      this.first = before;
      this.trouble(error.message);
    }
  }

  put(message) {
    const known = this.entries.get(message.seq);
    const state = JSON.stringify(message);
    if (known?.state === state) return;
    const item = this.drawn(message);
    if (known) known.item.replaceWith(item);
    else this.place(message.seq, item);
    this.entries.set(message.seq, { item, state });
  }

  place(seq, item) {
    const behind = [...this.entries.keys()].filter((each) => each > seq);
    at("log").insertBefore(item, behind.length ? this.entries.get(Math.min(...behind)).item : null);
  }

  drawn(message) {
    const item = element("li", "", `entry ${message.role}`);
    const head = element("p", "", "meta");
    const about = [SPEAKERS[message.role] ?? message.role, TIME.format(new Date(message.created_at))];
    if (message.delivery_state) about.push(message.delivery_state);
    head.textContent = about.join(" · ");
    head.dataset.state = message.delivery_state;
    const gone = message.taken_back_at ? "Taken back" : "Without words"; // a pin, for example, or what was erased
    const said = message.text || message.attachments.length > 0;
    const words = element("div", said ? message.text : gone, "words");
    words.dir = "auto";
    words.classList.toggle("gone", !said);
    item.append(head, words, ...message.attachments.map((each) => this.attached(each)));
    return item;
  }

  attached(file) {
    if (file.kind === "unsupported") return element("p", [UNREAD, file.caption].filter(Boolean).join(": "), "file");
    const said = [file.file_name || file.kind.replace("_", " "), file.caption].filter(Boolean).join(": ");
    if (file.media_state !== "stored") return element("p", file.media_state ? `${said} (${file.media_state})` : said, "file");
    const made = element("button", said, "file");
    made.type = "button";
    made.addEventListener("click", () => this.fetch(file));
    return made;
  }

  async fetch(file) {
    try {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await this.api.file(file.media_id));
      link.download = file.file_name || file.kind;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (error) {
      this.trouble(error.message);
    }
  }

  async give(owner) {
    const { id, owner_epoch: epoch } = this.shown;
    this.trouble("");
    try {
      const { contact_name } = this.shown; // the answer to a change says none
      this.describe({ ...(await this.api.give(id, owner, epoch)), contact_name }, owner === "agent" ? "" : undefined);
      if (owner === "human") at("text").focus();
    } catch (error) {
      await this.refresh().catch(() => {});
      this.trouble(error.code === "OWNER_CHANGED" ? FASTER : error.message);
    }
    this.moved();
  }

  /** However often it is sent, it is said once. What is refused stands in the field again. */
  async say(text) {
    const { id, owner_epoch: epoch } = this.shown;
    this.trouble("");
    this.sending = at("text").disabled = true;
    try {
      await this.api.say(id, text, epoch);
      if (this.shown?.id === id) await this.refresh();
    } catch (error) {
      if (this.shown?.id !== id) return;
      at("text").value = text;
      await this.refresh().catch(() => {});
      this.trouble(error.code === "OWNER_CHANGED" ? `Not sent. ${FASTER}` : `Not sent: ${error.message}`);
    } finally {
      this.sending = false;
      if (this.shown) this.describe(this.shown);
      this.field.fit();
      if (!at("text").disabled) at("text").focus();
    }
    this.moved();
  }

  trouble(words) {
    at("trouble").textContent = words;
    at("trouble").hidden = !words;
  }
}
