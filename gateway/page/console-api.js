// How does the console talk to the gateway? With the API key that was typed in, which lasts as long as the tab.

import { newId, sleep } from "./transport.js";

const KEY = "parley.console";
const ANSWER_MS = 20_000;
const TRIES = 4;

/** A refusal: its status, its reason, its sentence. Without a status nobody answered. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Whether the same may be well a moment later. */
  get passing() {
    return this.status === 0 || this.status >= 500 || this.status === 429;
  }
}

/** Asks for one change until it is heard of, or refused: with its key it happens once. */
async function insist(ask) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Refused && error.passing) || tries === TRIES) throw error;
      await sleep(1000 * tries);
    }
  }
}

export class Api {
  constructor() {
    this.key = this.kept();
  }

  kept() {
    try {
      return sessionStorage.getItem(KEY) ?? "";
    } catch {
      return ""; // a browser may keep nothing: then it is asked for with each load
    }
  }

  keep(key) {
    this.key = key;
    try {
      if (key) sessionStorage.setItem(KEY, key);
      else sessionStorage.removeItem(KEY);
    } catch {
      // as above
    }
  }

  queue() {
    return this.json("queue?page_size=200");
  }

  conversations(owner, token = "") {
    const query = new URLSearchParams({ page_size: owner === "queue" ? 200 : 50, page_token: token });
    if (owner) query.set("owner", owner);
    return this.json(`conversations?${query}`);
  }

  conversation(id) {
    return this.json(`conversations/${encodeURIComponent(id)}`);
  }

  messages(id, afterSeq, most) {
    return this.json(`conversations/${encodeURIComponent(id)}/messages?after_seq=${afterSeq}&page_size=${most}`);
  }

  give(id, owner, epoch) {
    return this.change("PUT", `conversations/${encodeURIComponent(id)}/owner`, { owner, owner_epoch: epoch }, newId());
  }

  say(id, text, epoch) {
    const key = newId();
    const path = `conversations/${encodeURIComponent(id)}/messages`;
    return insist(() => this.change("POST", path, { text, owner_epoch: epoch }, key));
  }

  deliveries(state, token, { left }) {
    const query = new URLSearchParams({ page_token: token, not_put_aside: left });
    if (state) query.set("state", state);
    return this.json(`deliveries?${query}`);
  }

  /** Of several who press it for what they see, one is heard: whoever comes later saw fewer attempts. */
  again({ id, attempts }) {
    const key = newId();
    return insist(() => this.change("POST", `deliveries/${encodeURIComponent(id)}/retry`, { attempts_seen: attempts }, key));
  }

  putAside({ id, attempts }, aside) {
    const key = newId();
    const path = `deliveries/${encodeURIComponent(id)}/aside`;
    return insist(() => this.change("PUT", path, { aside, attempts_seen: attempts }, key));
  }

  /** Those that are open longest waiting first, and those that have ended newest first. */
  turns(state, token = "") {
    const query = new URLSearchParams({ page_token: token, newest_first: Boolean(state) });
    if (state) query.set("state", state);
    return this.json(`turns?${query}`);
  }

  /** All of them: a tenant has few. */
  async accounts() {
    const found = [];
    for (let token = ""; ; ) {
      const page = await this.json(`accounts?${new URLSearchParams({ page_size: 200, page_token: token })}`);
      found.push(...page.accounts);
      token = page.next_page_token;
      if (!token) return found;
    }
  }

  setState(id, state) {
    const key = newId();
    return insist(() => this.change("PUT", `accounts/${encodeURIComponent(id)}/state`, { state }, key));
  }

  async file(mediaId) {
    return (await this.ask(`media/${encodeURIComponent(mediaId)}`)).blob();
  }

  async json(path, options) {
    return (await this.ask(path, options)).json();
  }

  change(method, path, body, key) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    return this.json(path, { method, headers, body: JSON.stringify(body) });
  }

  async ask(path, options = {}) {
    const headers = { ...options.headers, Authorization: `Bearer ${this.key}` };
    const shown = { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) };
    const answer = await fetch(`v1/${path}`, shown).catch(() => null);
    if (!answer) throw new Refused(0, "", "The gateway does not answer.");
    if (answer.ok) return answer;
    const { error } = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, error?.code ?? "", error?.message ?? answer.statusText);
  }
}
