// What does the page do? Shows one conversation, sends what is typed, and keeps both through lost connections.

import { Transcript } from "./transcript.js";
import { Refused, Transport, backoff, keep, newId, sleep, stored } from "./transport.js";

const OUTBOX = "parley.outbox";
const MOST_TRIES = 5;
const PERMANENT = new Set([400, 403, 404, 409, 413]);
const GIVE_UP_THINKING_MS = 90_000;
const ECHO = "No language model is connected: this assistant only repeats what you write.";

const at = (id) => document.getElementById(id);
const transport = new Transport(new URLSearchParams(location.search).get("site") ?? "");
const transcript = new Transcript({ log: at("log"), scroll: at("scroll"), newest: at("newest"), welcome: at("welcome") });

let lastSeq = 0;
let listening = null;
let awaited = 0;
let outbox = stored(OUTBOX) ?? [];
let sending = false;
let unread = 0;
let busy = false;

function show(state, words) {
  const status = at("status");
  if (status.dataset.state === state && status.textContent === words) return;
  status.dataset.state = state;
  status.textContent = words;
}

function think(on) {
  clearTimeout(awaited);
  if (on) awaited = setTimeout(() => think(false), GIVE_UP_THINKING_MS);
  at("thinking").hidden = !on;
  if (on) transcript.follow();
}

/** Whatever is told first: what is being written stands in the place of the dots. */
function thinks(on) {
  busy = on;
  think(busy && !transcript.drafts);
}

/** Shows what is being written; a message ends it, and so does a draft without text. */
function draft(data) {
  transcript.draft(data);
  think(busy && !transcript.drafts);
}

/** Nobody tells any more whether they still hold; who connects again is told what does. */
function forget() {
  busy = false;
  transcript.draft({ text: "" });
}

function saveOutbox() {
  keep(OUTBOX, outbox.length ? outbox : null);
}

function arrive(message) {
  if (message.seq <= lastSeq) return;
  lastSeq = message.seq;
  const mine = message.role === "contact";
  if (mine) {
    outbox = outbox.filter((each) => each.key !== message.client_id);
    saveOutbox();
  } else {
    think(false);
    transcript.draft({ text: "" });
    if (document.hidden) document.title = `(${(unread += 1)}) Chat · Parley`;
  }
  transcript.put({ key: mine ? message.client_id : message.id, ...message, state: "sent" });
}

/** Listens for as long as the page is open. A stream that ends is normal: it goes on from the last message seen. */
async function listen() {
  if (listening) return;
  listening = new AbortController();
  const { signal } = listening;
  let failures = 0;
  const on = (event, data) => {
    failures = 0;
    show("online", "Online");
    if (event === "message") arrive(data);
    if (event === "thinking") thinks(data.thinking);
    if (event === "draft") draft(data);
  };
  while (!signal.aborted) {
    try {
      await transport.listen(lastSeq, on, signal).finally(forget);
      await sleep(250);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures > 1) show(navigator.onLine ? "connecting" : "offline", navigator.onLine ? "Reconnecting…" : "You are offline");
      await Promise.race([sleep(Math.max(backoff(failures), error.retryAfterMs ?? 0)), backOnline()]);
    }
  }
}

const backOnline = () => new Promise((done) => window.addEventListener("online", done, { once: true }));

function say(text) {
  const entry = { key: newId(), text, created_at: new Date().toISOString(), tries: 0 };
  outbox.push(entry);
  saveOutbox();
  transcript.put({ ...entry, role: "contact", state: "sending" });
  transcript.follow(true);
  flush();
}

/** Sends what waits, in order. The key of an entry never changes: however often it is sent, it is said once. */
async function flush() {
  if (sending) return;
  sending = true;
  for (let entry = waiting(); entry; entry = waiting()) {
    try {
      const saved = await transport.say(entry.text, entry.key);
      outbox = outbox.filter((each) => each.key !== entry.key);
      transcript.put({ ...entry, ...saved, key: entry.key, role: "contact", state: "sent" });
      show("online", "Online");
      if (saved.seq > lastSeq) think(true);
      listen();
    } catch (error) {
      await stumble(entry, error);
    }
    saveOutbox();
  }
  sending = false;
}

const waiting = () => outbox.find((each) => !each.failed);

async function stumble(entry, error) {
  entry.tries += 1;
  const refused = error instanceof Refused;
  if (entry.tries >= MOST_TRIES || (refused && PERMANENT.has(error.status))) {
    entry.failed = refused ? error.message : "Not sent: no connection";
    transcript.put({ ...entry, role: "contact", state: "failed", onRetry: () => retry(entry) });
    return;
  }
  if (!refused) show("connecting", "Reconnecting…");
  await Promise.race([sleep(Math.max(backoff(entry.tries), error.retryAfterMs ?? 0)), backOnline()]);
}

function retry(entry) {
  Object.assign(entry, { tries: 0, failed: "" });
  transcript.put({ ...entry, role: "contact", state: "sending" });
  at("text").focus();
  flush();
}

async function catchUp() {
  for (let page = { more: true }; page.more; ) {
    page = await transport.history(lastSeq);
    page.messages.forEach(arrive);
    if (!page.messages.length) return;
  }
}

async function begin() {
  for (let failures = 1; ; failures += 1) {
    try {
      await catchUp();
      break;
    } catch (error) {
      if (error instanceof Refused && PERMANENT.has(error.status)) return show("offline", error.message);
      show("connecting", "Connecting…");
      await sleep(Math.max(backoff(failures), error.retryAfterMs ?? 0));
    }
  }
  transcript.settle();
  show("online", "Online");
  for (const entry of outbox) {
    const state = entry.failed ? "failed" : "sending";
    transcript.put({ ...entry, role: "contact", state, onRetry: () => retry(entry) });
  }
  if (lastSeq) listen();
  flush();
}

/** Says plainly when nobody thinks behind the page; asks again until it has heard. */
async function introduce() {
  try {
    const { backend } = await transport.about();
    at("banner").textContent = backend === "echo" ? ECHO : "";
    at("banner").hidden = backend !== "echo";
    if (backend && backend !== "echo") return;
  } catch {
    // The status line already says what is wrong with the connection.
  }
  setTimeout(introduce, 15_000);
}

function renew() {
  if (lastSeq && !confirm("Begin a new conversation? This one will no longer be shown here.")) return;
  listening?.abort();
  transport.leave();
  keep(OUTBOX, null);
  location.reload();
}

function fit() {
  const text = at("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
  at("send").disabled = !text.value.trim();
}

function submit(event) {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text) return;
  at("text").value = "";
  fit();
  say(text);
  at("text").focus();
}

function onKey(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  if (matchMedia("(pointer: coarse)").matches) return; // on a phone Enter is a new line, the button sends
  submit(event);
}

at("form").addEventListener("submit", submit);
at("text").addEventListener("keydown", onKey);
at("text").addEventListener("input", fit);
at("renew").addEventListener("click", renew);
for (const opener of document.querySelectorAll(".opener")) {
  opener.addEventListener("click", () => { say(opener.textContent); at("text").focus(); });
}
window.addEventListener("online", () => { show("connecting", "Reconnecting…"); flush(); });
window.addEventListener("offline", () => show("offline", "You are offline"));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = "Chat · Parley";
});

fit();
if (!matchMedia("(pointer: coarse)").matches) at("text").focus();
introduce();
begin();
