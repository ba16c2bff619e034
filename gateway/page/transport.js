// How does the page talk to the gateway? A session, requests under it, and a stream of events that goes on where it broke.

const SESSION = "parley.session";
const RENEW_BEFORE_MS = 60 * 60 * 1000;
// Something in between may forget a connection without closing it: who is silent for so long is not there any more.
const ANSWER_MS = 20_000;
const STREAM_MS = 40_000; // it says every 15 s that it is there
const DOUBTFUL_MS = 20_000;

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

/** Ends what has been silent for too long; and when `other`, if given, is aborted. */
class Patience {
  constructor(ms, other) {
    this.ms = ms;
    this.other = other;
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    this.abort = () => this.controller.abort();
    other?.addEventListener("abort", this.abort);
    if (other?.aborted) this.abort();
    this.heard();
  }

  heard() {
    this.heardAt = Date.now();
    clearTimeout(this.timer);
    this.timer = setTimeout(this.abort, this.ms);
  }

  leave() {
    clearTimeout(this.timer);
    this.other?.removeEventListener("abort", this.abort);
  }
}

export class Transport {
  constructor(site) {
    this.site = site;
    this.slot = site ? `${SESSION}.${site}` : SESSION;
    this.session = sessionOf(stored(this.slot), site);
    this.renewing = null;
  }

  /** Forgets the session: the next request begins another conversation. */
  leave() {
    this.session = null;
    keep(this.slot, null);
  }

  about() {
    return whole(async (signal) => answered(await fetch("v1/chat/about", { signal })));
  }

  say(text, key) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    const options = { method: "POST", headers, body: JSON.stringify({ text }) };
    return whole((signal) => this.request("v1/chat/messages", { ...options, signal }));
  }

  /** What was said: { after_seq } the first after a place, { before_seq } the last before one. */
  history(place) {
    return whole((signal) => this.request(`v1/chat/messages?${new URLSearchParams(place)}`, { signal }));
  }

  /** Calls on(event, data) for each event after `afterSeq`; returns when the stream has ended. */
  async listen(afterSeq, on, signal) {
    const headers = { Accept: "text/event-stream", "Last-Event-ID": String(afterSeq) };
    const patience = this.stream = new Patience(STREAM_MS, signal);
    try {
      const response = await this.request("v1/chat/events", { headers, signal: patience.signal });
      on("open");
      let rest = "";
      for await (const part of parts(response, patience)) {
        const blocks = (rest + part).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) dispatch(block, on);
      }
    } finally {
      patience.leave();
    }
  }

  /** Somebody looks, or the network is back: a stream that has been silent for longer than usual is begun anew at once. */
  doubt() {
    if (this.stream && Date.now() - this.stream.heardAt > DOUBTFUL_MS) this.stream.abort();
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
    const before = this.session;
    const headers = { "Content-Type": "application/json" };
    if (before) headers.Authorization = `Bearer ${before.token}`;
    const options = { method: "POST", headers, body: JSON.stringify({ site: this.site }) };
    const given = await whole(async (signal) => answered(await fetch("v1/chat/sessions", { ...options, signal })));
    // To a clock that is a day ahead each session has ended when it comes: then it is renewed from time to time.
    const soonest = Date.now() + 2 * RENEW_BEFORE_MS;
    const expires_at = new Date(Math.max(Date.parse(given.expires_at), soonest)).toISOString();
    this.session = { ...given, expires_at, begun: before ? before.begun : newId() };
    // Another tab may have begun a new conversation meanwhile: it is the one to come back to.
    if (!before || stored(this.slot)?.begun === this.session.begun) keep(this.slot, this.session);
    return this.session.token;
  }
}

/** A session of this site's as it was kept; null for anything else: another is begun. */
function sessionOf(kept, site) {
  const token = kept?.token;
  return typeof token === "string" && /^[!-~]+$/.test(token) && token.startsWith(`${site}.`) ? kept : null;
}

/** What an answer says, if it comes in time. */
async function whole(ask) {
  const patience = new Patience(ANSWER_MS);
  let text = "";
  try {
    for await (const part of parts(await ask(patience.signal), patience)) text += part;
  } finally {
    patience.leave();
  }
  return JSON.parse(text);
}

/** The body as it comes. */
async function* parts(response, patience) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    patience.heard();
    yield value;
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
