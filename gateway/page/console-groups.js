// How are rows shown state by state, each in pages? The newest page is asked for again and again; what is behind it stays.

import { at, element, list, pressed } from "./console-drawing.js";

export class Groups {
  /** `ask(state, token)` gives {rows, next_page_token}; `about` has a heading and a sentence for each state. */
  constructor(place, { ask, drawn, about, trouble, oldestFirst = () => false }) {
    Object.assign(this, { at: place, ask, drawn, about, trouble, oldestFirst });
    this.choose([]);
  }

  choose(states) {
    this.states = states;
    this.known = new Map();
    at(this.at).replaceChildren();
  }

  /** The first pages, or nothing where others were chosen meanwhile. */
  async refresh() {
    const { states, known } = this;
    const pages = await Promise.all(states.map((state) => this.ask(state, "")));
    if (known !== this.known) return null;
    states.forEach((state, index) => this.take(state, pages[index]));
    this.draw();
    return pages;
  }

  /** What is behind the end of the first page stays, and what is missing within it stands so no more. */
  take(state, page) {
    const group = this.known.get(state) ?? { first: [], later: [], more: "" };
    const last = page.next_page_token && page.rows.at(-1).id;
    const isBehind = ({ id }) => last && (this.oldestFirst(state) ? id > last : id < last);
    const later = [...group.first, ...group.later].filter(isBehind);
    const more = later.length ? group.more : page.next_page_token;
    this.known.set(state, Object.assign(group, { first: page.rows, later, more }));
  }

  draw() {
    for (const state of this.states) {
      const group = this.known.get(state);
      if (!group) continue;
      group.place ??= this.place(state);
      const rows = [...group.first, ...group.later];
      list(group.place.rows, rows, this.drawn);
      group.place.none.hidden = rows.length > 0;
      group.place.more.hidden = !group.more;
    }
  }

  place(state) {
    const made = element("section", "", "group");
    const rows = element("ul", "", "cards");
    const none = element("p", "None.", "none");
    const more = pressed("Show more", () => this.further(state));
    const [heading, about] = this.about[state];
    made.append(element("h3", heading), element("p", about, "about-group"), none, rows, more);
    at(this.at).append(made);
    return { rows, none, more };
  }

  async further(state) {
    const group = this.known.get(state);
    try {
      const page = await this.ask(state, group.more);
      if (this.known.get(state) !== group) return;
      const shown = new Set([...group.first, ...group.later].map((each) => each.id));
      group.later.push(...page.rows.filter((each) => !shown.has(each.id)));
      group.more = page.next_page_token;
      this.draw();
    } catch (error) {
      this.trouble(error.message);
    }
  }

  /** It does not stand so any more. */
  forget(id) {
    for (const group of this.known.values()) {
      group.first = group.first.filter((each) => each.id !== id);
      group.later = group.later.filter((each) => each.id !== id);
    }
  }
}
