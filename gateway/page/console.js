// Who waits for a human, and who has which conversation? Lists them, and shows one. Asks this gateway, and no other host.

import { Api, Refused } from "./console-api.js";
import { Talk, titled } from "./console-talk.js";
import { sleep } from "./transport.js";

const LIST_MS = 5_000;
const TALK_MS = 2_000;
const HIDDEN_MS = 20_000;
const CLOSED = new Set([401, 403]);
const NOBODY = {
  waiting: "Nobody waits for a human.",
  human: "No conversation is with a human.",
  all: "Nothing was said yet. Write to one of your accounts, or on the chat page.",
};
const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const SPANS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

const at = (id) => document.getElementById(id);
const api = new Api();
const talk = new Talk(api, { moved: () => wake() });

let which = "waiting";
let rows = new Map(); // conversation id -> { conversation, entry }
let more = ""; // the token of the next page
let later = []; // what was shown behind the first page
let running = 0; // a door that was opened again ends what ran before
let wake = () => {};

function ago(stated) {
  const seconds = (Date.parse(stated) - Date.now()) / 1000;
  const [unit, size] = SPANS.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return AGO.format(Math.trunc(seconds / size), unit);
}

function span(text, classes) {
  const made = document.createElement("span");
  made.className = classes;
  made.textContent = text;
  return made;
}

function drawn({ conversation, entry }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "row";
  button.setAttribute("aria-current", String(conversation.id === talk.shown?.id));
  const name = span(titled(conversation), "name");
  name.dir = "auto";
  button.append(name, span(conversation.channel, "channel"));
  if (entry) {
    const late = Date.parse(entry.due_at) < Date.now();
    const since = span(`${late ? "overdue · " : ""}${ago(entry.created_at)}`, "since");
    since.dataset.late = String(late);
    button.append(span(entry.reason.replaceAll("_", " "), "reason"), since);
  } else {
    button.append(span(conversation.owner, "reason"), span(ago(conversation.updated_at), "since"));
  }
  button.addEventListener("click", () => choose(conversation.id));
  item.append(button);
  return item;
}

function draw() {
  const focused = document.activeElement?.closest?.(".rows li");
  const place = focused ? [...at("rows").children].indexOf(focused) : -1;
  const id = focused?.dataset.id;
  const items = [...rows.values()].map((row) => Object.assign(drawn(row), {}));
  items.forEach((item, index) => { item.dataset.id = [...rows.keys()][index]; });
  at("rows").replaceChildren(...items);
  const again = items.find((item) => item.dataset.id === id) ?? items[Math.min(place, items.length - 1)];
  if (place >= 0) again?.firstChild.focus();
  at("none").textContent = NOBODY[which];
  at("none").hidden = rows.size > 0;
  at("more").hidden = !more;
}

function counted(entries) {
  at("count").textContent = String(entries.length);
  at("count").hidden = !entries.length;
  document.title = entries.length ? `(${entries.length}) Console · Parley` : "Console · Parley";
}

/** The first page anew; what was shown behind it stays as it was seen. */
async function list() {
  const asked = which;
  const owner = { waiting: "queue", human: "human", all: "" }[asked];
  const [queue, page] = await Promise.all([api.queue(), api.conversations(owner)]);
  counted(queue.entries);
  if (asked !== which) return;
  const known = new Map([...page.conversations, ...later].map((each) => [each.id, each]));
  const entries = new Map(queue.entries.map((each) => [each.conversation_id, each]));
  const order = asked === "waiting" ? queue.entries.map((each) => each.conversation_id) : [...known.keys()];
  const shown = order.filter((id) => known.has(id));
  rows = new Map(shown.map((id) => [id, { conversation: known.get(id), entry: entries.get(id) }]));
  if (!later.length) more = asked === "waiting" ? "" : page.next_page_token;
  draw();
}

async function showMore() {
  const page = await api.conversations(which === "human" ? "human" : "", more);
  later = [...later, ...page.conversations];
  more = page.next_page_token;
  wake();
}

async function choose(id) {
  const row = rows.get(id);
  location.hash = id;
  document.body.classList.add("talking");
  try {
    const conversation = row?.conversation ?? (await api.conversation(id));
    await talk.show(conversation, row?.entry?.summary ?? "");
  } catch (error) {
    if (!row) return leave();
    talk.trouble(error.message);
  }
  draw();
  at("talk").focus();
}

/** The address names one: a page that is loaded again shows it again, and the browser's Back leaves it. */
async function named() {
  const id = location.hash.slice(1);
  if (id && id !== talk.shown?.id) await choose(id);
  else if (!id && talk.shown) leave();
}

function leave() {
  const left = talk.shown?.id;
  talk.hide();
  document.body.classList.remove("talking");
  history.replaceState(null, "", location.pathname + location.search);
  draw();
  [...at("rows").children].find((each) => each.dataset.id === left)?.firstChild.focus();
}

function state(name, words) {
  if (at("status").textContent === words) return;
  at("status").dataset.state = name;
  at("status").textContent = words;
}

/** Both for as long as the page is open: the list now and then, and the conversation that is shown more often. */
async function follow(mine) {
  for (let listed = 0; mine === running; ) {
    let woken = false;
    try {
      if (Date.now() - listed >= LIST_MS) {
        await list();
        listed = Date.now();
      }
      await talk.refresh();
      state("live", "Live");
    } catch (error) {
      if (mine !== running) return;
      if (CLOSED.has(error.status)) return open(error);
      if (!(error instanceof Refused)) throw error;
      state("lost", `${error.message} Trying again.`);
    }
    const pause = document.hidden ? HIDDEN_MS : TALK_MS;
    await Promise.race([sleep(pause), new Promise((done) => { wake = () => { woken = true; done(); }; })]);
    if (woken) listed = 0;
  }
}

async function enter() {
  running += 1;
  const mine = running;
  try {
    await list();
  } catch (error) {
    if (CLOSED.has(error.status)) return open(error);
    state("lost", `${error.message} Trying again.`);
  }
  at("door").hidden = true;
  at("panes").hidden = false;
  at("leave").hidden = false;
  await named();
  follow(mine);
}

function open(error) {
  running += 1;
  const denied = error?.status === 403;
  state("lost", denied ? "This key may not do that" : "An API key is needed");
  at("wrong").textContent = denied ? `This key may not: ${error.message}.` : "Nobody issued this key, or it has ended.";
  at("wrong").hidden = !error || !api.key;
  talk.hide();
  document.body.classList.remove("talking");
  for (const id of ["panes", "leave"]) at(id).hidden = true;
  at("door").hidden = false;
  at("key").focus();
}

at("door").addEventListener("submit", (event) => {
  event.preventDefault();
  api.keep(at("key").value.trim());
  at("key").value = "";
  enter();
});
at("leave").addEventListener("click", () => {
  api.keep("");
  [later, more, rows] = [[], "", new Map()];
  draw();
  counted([]);
  history.replaceState(null, "", location.pathname + location.search);
  open();
});
for (const tab of document.querySelectorAll("[data-which]")) {
  tab.addEventListener("click", () => {
    ({ which } = tab.dataset);
    for (const each of document.querySelectorAll("[data-which]")) each.setAttribute("aria-pressed", String(each === tab));
    [later, more, rows] = [[], "", new Map()];
    at("rows").replaceChildren();
    wake();
  });
}
at("more").addEventListener("click", () => showMore().catch((error) => state("lost", error.message)));
at("back").addEventListener("click", leave);
document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(); });
window.addEventListener("online", () => wake());
window.addEventListener("hashchange", () => { if (!at("panes").hidden) named(); });

if (api.key) enter();
else open();
