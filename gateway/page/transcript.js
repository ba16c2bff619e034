// How is a conversation shown? One entry per message, in order; text is text and never markup.

import { element } from "./elements.js";
import { nodes } from "./words.js";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const STATES = { sending: "Sending…", sent: "Sent", failed: "Not sent" };
const SPEAKERS = { contact: "You", agent: "Assistant", operator: "Support" };
const NEAR_PX = 120;
const ABOVE_PX = 12; // of an entry that is read from its beginning

export class Transcript {
  constructor({ log, earlier, scroll, newest, welcome }) {
    Object.assign(this, { log, earlier, scroll, newest, welcome });
    this.entries = new Map();
    this.settled = false;
    newest.addEventListener("click", () => this.follow(true));
    scroll.addEventListener("scroll", () => { if (this.isNear()) newest.hidden = true; }, { passive: true });
  }

  /** Shows a message, or what has become of one that is shown already. */
  put(message) {
    const near = !this.settled || this.isNear(); // looking costs a layout of all that is shown: not for each of a history
    const known = this.entries.get(message.key);
    const entry = known ?? this.make(message);
    this.fill(entry, message);
    if (!known || this.moves(entry, message)) this.place(entry, message);
    this.welcome.hidden = true;
    const read = message.role === "contact" || known || this.watched;
    this.watched = false;
    if (near && this.settled && !read) this.begin(entry);
    else if (near) this.follow(true);
    else if (!known && message.role !== "contact") this.newest.hidden = false;
  }

  /** Is something shown as it is written? It stands in the place of the dots. */
  get drafts() {
    return Boolean(this.drafted?.isConnected);
  }

  /** Shows what was said before all the rest, each page by itself: the browser lays out those that are looked at. It
      stands apart, where nothing is read out as if it were new. */
  precede(messages) {
    const made = messages.map((message) => {
      this.forget(message.key);
      const entry = this.make(message);
      entry.classList.remove("fresh");
      entry.dataset.seq = message.seq;
      this.fill(entry, message);
      return entry;
    });
    const before = this.earlier.querySelector(".entry") ?? this.log.querySelector(".entry");
    const part = element("div", "", "log");
    part.append(...made);
    this.earlier.prepend(part);
    this.mark(...made, before);
    part.style.containIntrinsicBlockSize = `auto ${part.offsetHeight}px`; // so high it stays while nobody looks at it
    part.classList.add("past");
    part.style.overflowAnchor = "none"; // until the browser has seen whether it is looked at, its entries stand nowhere
    requestAnimationFrame(() => requestAnimationFrame(() => { part.style.overflowAnchor = ""; }));
  }

  /** Does what makes or takes room above what is seen, which stays in its place. */
  still(change) {
    const seen = this.log.querySelector(".entry");
    const top = () => seen?.getBoundingClientRect().top ?? 0;
    const before = top();
    change();
    this.scroll.scrollTop += top() - before;
  }

  forget(key) {
    const known = this.entries.get(key);
    if (!known) return;
    const after = this.beside(known, 1);
    this.entries.delete(key);
    known.remove();
    this.mark(after);
  }

  /** Nothing was said yet. What is shown next is the past of another conversation, until it is settled. */
  clear() {
    this.settled = false;
    this.today = "";
    this.log.setAttribute("aria-live", "off");
    this.entries.clear();
    this.earlier.replaceChildren();
    this.log.replaceChildren();
    this.drafted?.remove();
    this.welcome.hidden = false;
  }

  /** What is being written stands at the end, until it is a message or nothing. It is read out when it is whole. */
  draft({ text, blocks }) {
    if (!text) {
      this.watched = this.drafts;
      return this.drafted?.remove();
    }
    const near = this.isNear();
    this.drafted ??= this.drafting();
    this.drafted.lastChild.replaceChildren(...nodes({ text, blocks }));
    if (!this.drafted.isConnected) this.log.after(this.drafted);
    this.welcome.hidden = true;
    if (near) this.follow(true);
  }

  drafting() {
    const made = element("div", "", "entry agent draft");
    made.setAttribute("aria-hidden", "true");
    made.append(element("div", "", "bubble"));
    return made;
  }

  /** From here on entries arrive one by one: they are shown moving, and read out. */
  settle() {
    this.settled = true;
    this.mark();
    this.log.setAttribute("aria-live", "polite");
    this.follow(true);
  }

  /** Scrolls to the newest entry; unless forced, only for who is reading there. */
  follow(forced = false) {
    if (!forced && !this.isNear()) return;
    this.newest.hidden = true;
    this.following ??= requestAnimationFrame(() => {
      this.following = null;
      this.scroll.scrollTop = this.scroll.scrollHeight;
    });
  }

  /** Scrolls to an entry that nobody has read yet: to its end, but never past its beginning. */
  begin(entry) {
    this.newest.hidden = true;
    requestAnimationFrame(() => {
      const above = entry.getBoundingClientRect().top - this.scroll.getBoundingClientRect().top;
      this.scroll.scrollTop = Math.min(this.scroll.scrollHeight, this.scroll.scrollTop + above - ABOVE_PX);
    });
  }

  isNear() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < NEAR_PX;
  }

  make(message) {
    const item = element("div", "", `entry ${message.role}`);
    if (this.settled) item.classList.add("fresh");
    item.append(element("span", "", "unseen"), element("div", "", "bubble"), element("div", "", "meta"));
    this.entries.set(message.key, item);
    return item;
  }

  fill(item, message) {
    const [speaker, bubble, meta] = item.children;
    const when = new Date(message.created_at);
    speaker.textContent = `${SPEAKERS[message.role]}: `;
    bubble.replaceChildren(...nodes(message));
    item.dataset.state = message.state;
    item.dataset.day = when.toDateString();
    const time = element("time", TIME.format(when));
    time.dateTime = when.toISOString();
    meta.replaceChildren(...this.about(message, time));
  }

  about(message, time) {
    if (message.role !== "contact") return [time];
    const state = element("span", message.state === "failed" && message.failed ? message.failed : STATES[message.state]);
    if (message.state !== "failed") return [time, state];
    const again = element("button", "Try again");
    again.type = "button";
    again.addEventListener("click", message.onRetry);
    return [state, again];
  }

  moves(item, message) {
    return message.seq !== undefined && item.dataset.seq !== String(message.seq);
  }

  /** In order of seq; what has none yet is not said yet and stands at the end, where what is new mostly does. */
  place(item, message) {
    if (message.seq !== undefined) item.dataset.seq = message.seq;
    const seq = message.seq ?? Infinity;
    let later = null;
    for (let each = this.log.lastElementChild; each; each = each.previousElementSibling) {
      if (each === item || !each.classList.contains("entry")) continue;
      if (Number(each.dataset.seq ?? Infinity) <= seq) break;
      later = each;
    }
    if (later !== item.nextElementSibling || !item.isConnected) {
      const after = item.isConnected ? this.beside(item, 1) : null;
      this.log.insertBefore(item, later);
      this.mark(after);
    }
    this.mark(item, this.beside(item, 1));
  }

  /** Days apart, and entries of one speaker close together: looked at where something came or went. What stands right is
      left alone: new ones are read out. */
  mark(...items) {
    if (!this.settled) return;
    const today = new Date().toDateString();
    const all = today === this.today ? items : this.all(".entry"); // "Today" is over at midnight
    this.today = today;
    for (const each of all) if (each) this.join(each);
    for (const part of [...this.earlier.children, this.log]) this.unhead(part.lastElementChild);
    (this.log.lastElementChild ?? this.earlier.lastElementChild?.lastElementChild)?.classList.remove("followed");
  }

  /** An entry to the one before it. */
  join(item) {
    const before = this.beside(item, -1);
    const sameDay = before?.dataset.day === item.dataset.day;
    const follows = sameDay && before.classList.item(1) === item.classList.item(1);
    item.classList.toggle("follows", follows);
    before?.classList.toggle("followed", follows);
    this.unhead(sameDay ? item.previousElementSibling : this.headed(item).previousElementSibling);
  }

  /** The heading of the day right before the entry. */
  headed(item) {
    const words = this.day(item);
    const known = item.previousElementSibling;
    if (known?.classList.contains("day") && known.textContent === words.textContent) return known;
    item.before(words);
    return words;
  }

  /** From here upwards, headings under which nothing stands. */
  unhead(known) {
    for (let each = known; each?.classList.contains("day"); ) {
      const above = each.previousElementSibling;
      each.remove();
      each = above;
    }
  }

  /** The entry before (-1) or behind (1) another, in whichever part it stands. */
  beside(item, way) {
    const [next, end] = way < 0 ? ["previousElementSibling", "lastElementChild"] : ["nextElementSibling", "firstElementChild"];
    let [part, each] = [item.parentElement, item[next]];
    while (part && !each?.classList.contains("entry")) {
      if (each) each = each[next];
      else if ((part = this.partBeside(part, way))) each = part[end];
    }
    return each ?? null;
  }

  partBeside(part, way) {
    if (way < 0) return part === this.log ? this.earlier.lastElementChild : part.previousElementSibling;
    return part === this.log ? null : part.nextElementSibling ?? this.log;
  }

  all(which) {
    return [this.earlier, this.log].flatMap((part) => [...part.querySelectorAll(which)]);
  }

  day(item) {
    const today = item.dataset.day === new Date().toDateString();
    return element("div", today ? "Today" : DAY.format(new Date(item.dataset.day)), "day");
  }
}
