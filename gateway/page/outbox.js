// What has been typed and is not known to be said? Kept in the browser for each site by itself; its tabs share it.

import { keep, stored } from "./transport.js";

const OUTBOX = "parley.outbox";
const KEY = /^[!-~]{1,200}$/; // what can be sent as an Idempotency-Key

export class Outbox {
  constructor(site) {
    this.slot = site ? `${OUTBOX}.${site}` : OUTBOX;
    this.entries = this.kept();
  }

  /** What the browser has of it: whatever is no entry, as after a crash or from an extension, is not there. */
  kept() {
    const all = stored(this.slot);
    return Array.isArray(all) ? all.filter(isEntry) : [];
  }

  /** The first that is still to be sent. */
  get waiting() {
    return this.entries.find((each) => !each.failed);
  }

  has(key) {
    return this.entries.some((each) => each.key === key);
  }

  /** Adds an entry at the end, or keeps what has become of it: where it stands is when it is said. */
  put(entry) {
    const same = (each) => each.key === entry.key;
    this.change((all) => (all.some(same) ? all.map((each) => (same(each) ? entry : each)) : [...all, entry]));
  }

  drop(key) {
    if (this.has(key)) this.change((entries) => entries.filter((each) => each.key !== key));
  }

  clear() {
    this.entries = [];
    keep(this.slot, null);
  }

  /** The same here and in the browser, where another tab may have put entries of its own. */
  change(how) {
    this.entries = how(this.entries);
    const all = how(this.kept());
    keep(this.slot, all.length ? all : null);
  }
}

function isEntry(each) {
  if (typeof each?.key !== "string" || typeof each.text !== "string") return false;
  const isDated = !Number.isNaN(Date.parse(each.created_at));
  return KEY.test(each.key) && each.text.trim() !== "" && isDated && Number.isInteger(each.tries);
}
