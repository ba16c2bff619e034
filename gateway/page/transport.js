// How does the page talk to the gateway? A session, requests under it, and a stream of events that goes on where it broke.

const SESSION = "parley.session";
const RENEW_BEFORE_MS = 60 * 60 * 1000;

/** A refusal by the gateway: its status, its sentence, and when to come again. */
export class Refused extends Error {
  constructor(status, message, retryAfterMs) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A random id. crypto.randomUUID exists on secure origins only; a laptop on the office network is none. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Waits longer with each failure, a little at random, at most ten seconds. */
export function backoff(failures) {
  return Math.min(10_000, 500 * 2 ** Math.min(failures, 5)) * (0.75 + Math.random() / 2);
}

export class Transport {
  constructor(site) {
    this.site = site;
    this.slot = site ? `${SESSION}.${site}` : SESSION;
    this.session = stored(this.slot);
    this.renewing = null;
  }

  /** Forgets the session: the next request begins another conversation. */
  leave() {
    this.session = null;
    keep(this.slot, null);
  }

  async about() {
    return (await answered(await fetch("v1/chat/about"))).json();
  }

  async say(text, key) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    const response = await this.request("v1/chat/messages", { method: "POST", headers, body: JSON.stringify({ text }) });
    return response.json();
  }

  async history(afterSeq) {
    return (await this.request(`v1/chat/messages?after_seq=${afterSeq}`)).json();
  }

  /** Calls on(event, data) for each event after `afterSeq`; returns when the stream has ended. */
  async listen(afterSeq, on, signal) {
    const headers = { Accept: "text/event-stream", "Last-Event-ID": String(afterSeq) };
    const response = await this.request("v1/chat/events", { headers, signal });
    on("open");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) dispatch(block, on);
    }
  }

  /** One request under the session, which is begun or renewed when it must be. */
  async request(path, options = {}) {
    for (let attempt = 0; ; attempt += 1) {
      const token = await this.token();
      const headers = { ...options.headers, Authorization: `Bearer ${token}` };
      const response = await fetch(path, { ...options, headers, cache: "no-store" });
      if (response.status !== 401 || attempt > 0) return answered(response);
      this.session = { ...this.session, expires_at: "1970-01-01T00:00:00Z" };
    }
  }

  async token() {
    const left = this.session ? Date.parse(this.session.expires_at) - Date.now() : 0;
    if (left > RENEW_BEFORE_MS) return this.session.token;
    this.renewing ??= this.begin().finally(() => { this.renewing = null; });
    return this.renewing;
  }

  async begin() {
    const headers = { "Content-Type": "application/json" };
    if (this.session) headers.Authorization = `Bearer ${this.session.token}`;
    const body = JSON.stringify({ site: this.site });
    const response = await answered(await fetch("v1/chat/sessions", { method: "POST", headers, body }));
    this.session = await response.json();
    keep(this.slot, this.session);
    return this.session.token;
  }
}

async function answered(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const seconds = Number(response.headers.get("Retry-After")) || 0;
  throw new Refused(response.status, body.error?.message ?? "The chat cannot be reached", seconds * 1000);
}

function dispatch(block, on) {
  let event = "";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  on(event || "alive", data ? JSON.parse(data) : null);
}

/** What the browser keeps for us; nothing when it may not keep anything. */
export function stored(slot) {
  try {
    return JSON.parse(localStorage.getItem(slot));
  } catch {
    return null;
  }
}

export function keep(slot, value) {
  try {
    if (value === null) localStorage.removeItem(slot);
    else localStorage.setItem(slot, JSON.stringify(value));
  } catch {
    // Private windows may refuse: the chat then lasts as long as the page.
  }
}
