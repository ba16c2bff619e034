// What does the page do? Shows one conversation, sends what is typed, and keeps both through lost connections.

import { introduce } from "./banner.js";
import { at } from "./elements.js";
import { Field, typesByKeyboard } from "./field.js";
import { Older } from "./older.js";
import { Outbox } from "./outbox.js";
import { lost, show } from "./status.js";
import { Thinking } from "./thinking.js";
import { Transcript } from "./transcript.js";
import { Refused, Transport, backoff, newId, sleep } from "./transport.js";

const MOST_TRIES = 5;
const PERMANENT = new Set([400, 403, 404, 409, 413]);
const AWAY = new Set([502, 503, 504]);
const GIVE_UP_MS = 10 * 60_000; // a restart, a tunnel: what is written meanwhile is sent afterwards, in its order
const BEYOND_ALL = Number.MAX_SAFE_INTEGER; // what was said before this place is the newest

const site = new URLSearchParams(location.search).get("site") ?? "";
const transport = new Transport(site);
const outbox = new Outbox(site);
const scroll = at("scroll");
const places = { log: at("log"), earlier: at("earlier"), scroll, newest: at("newest"), welcome: at("welcome") };
const transcript = new Transcript(places);
const thinking = new Thinking(at("thinking"), transcript);
const older = new Older({ button: at("older"), told: at("told"), scroll, transcript }, async (before_seq) => {
  const page = await transport.history({ before_seq });
  return { ...page, messages: page.messages.map(entryOf) };
});

let lastSeq = 0;
let shown = ""; // the id of the conversation
let listening = null;
let spoken = false;
let begun = 0; // how often what is shown was another conversation than before
let sending = false;
let unread = 0;

/** As it is shown. What was said is not to be said any more. */
function entryOf(message) {
  const mine = message.role === "contact";
  if (mine) outbox.drop(message.client_id);
  return { ...message, key: mine ? message.client_id : message.id, state: "sent" };
}

function arrive(message) {
  if (message.seq <= lastSeq) return;
  lastSeq = message.seq;
  if (message.role !== "contact") {
    thinking.answered();
    if (document.hidden) document.title = `(${(unread += 1)}) Chat · Parley`;
  }
  transcript.put(entryOf(message));
}

/** Listens for as long as the page is open. A stream that ends is normal: it goes on from the last message seen. */
async function listen() {
  if (listening || !transcript.settled) return;
  listening = new AbortController();
  const { signal } = listening;
  let failures = 0;
  let heard = 0;
  const on = (event, data) => {
    if (signal.aborted) return;
    failures = 0;
    show("online", "Online");
    if (event === "message") {
      if (data.seq <= heard) return startOver();
      heard = data.seq;
      arrive(data);
    }
    if (event === "conversation" && isAnother(data.id)) return startOver();
    if (event === "alive") thinking.goOn();
    if (event === "thinking") thinking.tell(data.thinking);
    if (event === "draft") thinking.draft(data);
  };
  while (!signal.aborted) {
    try {
      heard = lastSeq;
      await transport.listen(heard, on, signal).finally(() => thinking.forget());
      await sleep(250);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const answered = error instanceof Refused && (await caughtUp());
      if (answered) show("online", "Online");
      else if (failures > 1) lost();
      await Promise.race([sleep(Math.max(backoff(failures), error.retryAfterMs ?? 0)), backOnline()]);
    }
  }
}

const backOnline = () => new Promise((done) => window.addEventListener("online", done, { once: true }));

function say(text) {
  const entry = { key: newId(), text, created_at: new Date().toISOString(), tries: 0 };
  outbox.put(entry);
  transcript.put({ ...entry, role: "contact", state: "sending" });
  transcript.follow(true);
  flush();
}

/** Sends what waits, in order. The key of an entry never changes: however often it is sent, it is said once. */
async function flush() {
  if (sending) return;
  sending = true;
  for (let entry = outbox.waiting; entry; entry = outbox.waiting) {
    try {
      const saved = await transport.say(entry.text, entry.key);
      if (saved.seq <= lastSeq && outbox.has(entry.key)) await startOver();
      outbox.drop(entry.key);
      if (saved.seq < older.seq) transcript.forget(entry.key); // said long ago, and its answer was lost
      else transcript.put({ ...entry, ...saved, key: entry.key, role: "contact", state: "sent" });
      spoken = true;
      show("online", "Online");
      if (saved.seq > lastSeq) thinking.asked();
      listen();
    } catch (error) {
      await stumble(entry, error);
    }
  }
  sending = false;
}

/** What is said now stands where something else did: the conversation that is shown here is gone, this is another. */
async function startOver() {
  listening?.abort();
  listening = null;
  lastSeq = 0;
  shown = "";
  begun += 1;
  older.from(0);
  transcript.clear();
  for (const each of outbox.entries) pend(each);
  await caughtUp();
  transcript.settle();
  listen();
}

/** Whether it is not the one that is shown. A gateway of an older release does not say which it is. */
function isAnother(id) {
  const before = shown;
  shown = id || shown;
  return before !== "" && before !== shown;
}

/** Shows what is not said yet. */
function pend(entry) {
  const state = entry.failed ? "failed" : "sending";
  transcript.put({ ...entry, role: "contact", state, onRetry: () => retry(entry) });
}

async function stumble(entry, error) {
  entry.tries += 1;
  entry.since ??= Date.now();
  const refused = error instanceof Refused;
  const awaits = (!refused || AWAY.has(error.status)) && (!navigator.onLine || Date.now() - entry.since < GIVE_UP_MS);
  if ((entry.tries >= MOST_TRIES && !awaits) || (refused && PERMANENT.has(error.status))) {
    entry.failed = refused ? error.message : "Not sent: no connection";
    outbox.put(entry);
    return pend(entry);
  }
  outbox.put(entry);
  if (!refused) lost();
  await Promise.race([sleep(Math.max(backoff(entry.tries), error.retryAfterMs ?? 0)), backOnline()]);
}

function retry(entry) {
  Object.assign(entry, { tries: 0, since: undefined, failed: "" });
  outbox.put(entry);
  pend(entry);
  at("text").focus();
  flush();
}

/** What was said since; of a conversation of which nothing is shown yet, the last that was said. */
async function catchUp() {
  for (let more = true; more; ) {
    const [after, which] = [lastSeq, begun];
    const page = await transport.history(after ? { after_seq: after } : { before_seq: BEYOND_ALL });
    if (which !== begun) return;
    if (!after && lastSeq) continue; // the stream was faster, and tells the rest
    if (isAnother(page.conversation_id) || (after && page.messages[0]?.seq <= after)) return startOver();
    page.messages.forEach(arrive);
    more = page.more && page.messages.length > 0;
    if (after) continue;
    older.from(more ? page.messages[0].seq : 0);
    return;
  }
}

/** Whether what was said meanwhile is shown: where no stream is to be had, the way to hear an answer at all. */
async function caughtUp() {
  try {
    await catchUp();
    return true;
  } catch {
    return false;
  }
}

/** Another tab may have said the first word of the conversation, which nobody here listens for. */
async function look() {
  if (transcript.settled && !listening && (await caughtUp()) && lastSeq) listen();
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
  for (const entry of outbox.entries) pend(entry);
  if (lastSeq || spoken) listen();
  flush();
}

/** A box of our own: in a frame without modals, and in an app's web view, the browser's says no without being seen. */
function renew() {
  if (lastSeq) at("anew").showModal();
  else beginAnew();
}

function beginAnew() {
  listening?.abort();
  transport.leave();
  outbox.clear();
  location.reload();
}

at("renew").addEventListener("click", renew);
at("stay").addEventListener("click", () => at("anew").close());
at("begin").addEventListener("click", beginAnew);
for (const opener of document.querySelectorAll(".opener")) {
  opener.addEventListener("click", () => { say(opener.textContent); at("text").focus(); });
}
window.addEventListener("online", async () => {
  show("connecting", "Reconnecting…");
  transport.doubt();
  flush();
  if (await caughtUp()) show("online", "Online");
});
window.addEventListener("storage", look);
window.addEventListener("offline", () => show("offline", "You are offline"));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  transport.doubt();
  look();
  unread = 0;
  document.title = "Chat · Parley";
});

new Field({ form: at("form"), text: at("text"), send: at("send"), problem: at("long") }, say);
if (typesByKeyboard()) at("text").focus();
introduce(transport, at("banner"));
begin();
