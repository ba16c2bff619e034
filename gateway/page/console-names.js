// With whom is a conversation held? Rooms know its id: each is asked for once, few at a time.

import { element } from "./console-drawing.js";
import { placed, titled } from "./console-talk.js";

const AT_ONCE = 4;
const AGAIN_MS = 300_000; // who is unknown now may be known later, and who was known may be erased

export class Names {
  constructor(api, told) {
    Object.assign(this, { api, told, known: new Map(), wanted: new Set(), asking: 0 });
  }

  clear() {
    this.known = new Map(); // what is being asked for goes into the old one
    this.wanted.clear();
  }

  /** What is known of it by now. When more is, `told` is called. */
  of(id) {
    const found = this.known.get(id);
    if (!found || found.until < Date.now()) {
      this.wanted.add(id);
      this.ask();
    }
    return found?.words ?? { name: "Conversation", place: "" };
  }

  /** Leads to it: the name, and where they are. Who shows no name is called by what their place says. */
  link(id) {
    const { name, place } = this.of(id);
    const made = element("a", name, "name");
    made.href = `#${id}`;
    made.dir = "auto";
    return [made, element("span", place, "channel")];
  }

  async ask() {
    if (this.asking >= AT_ONCE || !this.wanted.size) return;
    const [id] = this.wanted;
    this.wanted.delete(id);
    this.asking += 1;
    const { known } = this;
    known.set(id, { until: Infinity, words: known.get(id)?.words });
    try {
      const found = await this.api.conversation(id);
      known.set(id, { until: Date.now() + AGAIN_MS, words: { name: titled(found), place: found.contact_name ? placed(found) : found.channel } });
      this.told();
    } catch {
      known.set(id, { until: Date.now() + AGAIN_MS, words: undefined });
    } finally {
      this.asking -= 1;
      this.ask();
    }
  }
}
