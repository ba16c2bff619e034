// Who may come in, and which room do they see? Asks this gateway, and no other host, for as long as the page is open.

import { Accounts } from "./console-accounts.js";
import { Api, Refused } from "./console-api.js";
import { Deliveries } from "./console-deliveries.js";
import { at } from "./console-drawing.js";
import { Names } from "./console-names.js";
import { unasked } from "./console-sure.js";
import { Talk } from "./console-talk.js";
import { Talks } from "./console-talks.js";
import { Turns } from "./console-turns.js";
import { sleep } from "./transport.js";

const LIST_MS = 5_000;
const COUNT_MS = 30_000;
const TALK_MS = 2_000;
const HIDDEN_MS = 20_000;
const NO_KEY = 401;
const NOT_ALLOWED = 403;

const api = new Api();
const talk = new Talk(api, { moved: () => wake() });
const talks = new Talks(api, talk, { wake: () => wake() });
const names = new Names(api, () => { for (const each of [rooms.deliveries, rooms.turns]) each.draw(); });
// By what the address calls them; every other word in it is the id of a conversation.
const rooms = { deliveries: new Deliveries(api, names), accounts: new Accounts(api), turns: new Turns(api, names) };

let running = 0; // a door that was opened again ends what ran before
let wake = () => {};
let seen = {}; // what was asked for last when
let came = ""; // the room from which the conversation that is shown was opened

const address = () => location.hash.slice(1);
const room = () => rooms[address()];

/** The address names a room, or a conversation: what is loaded again is shown again, and the browser's Back leaves it. */
async function go() {
  const word = address();
  for (const [name, each] of Object.entries(rooms)) at(name).hidden = each !== room();
  at("panes").hidden = Boolean(room());
  for (const link of document.querySelectorAll("[data-room]")) {
    link.setAttribute("aria-current", link.dataset.room === (room() ? word : "talks") ? "page" : "false");
  }
  document.body.classList.toggle("talking", Boolean(word) && !room());
  if (room()) {
    came = word;
    delete seen[word];
    at("to-talks").href = `#${talk.shown?.id ?? ""}`;
    return wake();
  }
  if (!word) {
    came = "";
    if (talk.shown) talks.close();
  } else if (word !== talk.shown?.id && !(await talks.open(word)) && word === address()) {
    history.replaceState(null, "", location.pathname + location.search);
    await go();
  }
  at("to-talks").href = `#${talk.shown?.id ?? ""}`;
}

/** Back to where it was opened. */
async function leave() {
  const left = talk.shown?.id;
  if (came) talks.close();
  history.replaceState(null, "", `${location.pathname}${location.search}${came && "#"}${came}`);
  await go();
  if (room()) (at(came).querySelector(`a[href="#${left}"]`) ?? at(came)).focus();
}

function state(name, words) {
  if (at("status").textContent === words) return;
  at("status").dataset.state = name;
  at("status").textContent = words;
}

/** What a key may not do is said in its room, and the others go on. */
async function allowed(shown, ask) {
  try {
    await ask();
    if (shown.denied) shown.trouble("");
    shown.denied = false;
  } catch (error) {
    if (error.status !== NOT_ALLOWED) throw error;
    shown.denied = true;
    shown.trouble(`This key may not do that: ${error.message}.`);
  }
}

const due = (name, every) => Date.now() - (seen[name] ?? 0) >= every;

/** The lists now and then, what is to be counted in other rooms more seldom, and the conversation that is shown often. */
async function look() {
  if (due("talks", LIST_MS)) {
    await allowed(talks, () => talks.refresh());
    seen.talks = Date.now();
  }
  for (const [name, each] of Object.entries(rooms)) {
    const shown = each === room();
    const asked = shown ? name : `${name}, counted`;
    if (!due(asked, shown ? LIST_MS : COUNT_MS) || (!shown && (each.denied || !each.counting))) continue;
    await allowed(each, () => (shown ? each.refresh() : each.counting()));
    seen[asked] = Date.now();
  }
  if (!room()) await allowed(talk, () => talk.refresh());
}

async function follow(mine) {
  while (mine === running) {
    let woken = false;
    try {
      await look();
      state("live", "Live");
    } catch (error) {
      if (mine !== running) return;
      if (error.status === NO_KEY) return open(error);
      if (!(error instanceof Refused)) throw error;
      state("lost", `${error.message} Trying again.`);
    }
    const pause = document.hidden ? HIDDEN_MS : TALK_MS;
    await Promise.race([sleep(pause), new Promise((done) => { wake = () => { woken = true; done(); }; })]);
    if (woken) seen = {};
  }
}

async function enter() {
  running += 1;
  const mine = running;
  seen = {};
  try {
    await allowed(talks, () => talks.refresh());
    seen.talks = Date.now();
  } catch (error) {
    if (error.status === NO_KEY) return open(error);
    state("lost", `${error.message} Trying again.`);
  }
  at("door").hidden = true;
  at("rooms").hidden = false;
  at("leave").hidden = false;
  await go();
  follow(mine);
}

function open(error) {
  running += 1;
  state("lost", "An API key is needed");
  at("wrong").textContent = "Nobody issued this key, or it has ended.";
  at("wrong").hidden = !error || !api.key;
  unasked();
  talk.hide();
  document.body.classList.remove("talking");
  for (const id of ["panes", "rooms", "leave", ...Object.keys(rooms)]) at(id).hidden = true;
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
  for (const each of [talks, names, ...Object.values(rooms)]) each.clear();
  history.replaceState(null, "", location.pathname + location.search);
  open();
});
at("back").addEventListener("click", () => leave());
at("to-talks").addEventListener("click", () => { came = ""; });
document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(); });
window.addEventListener("online", () => wake());
window.addEventListener("hashchange", async () => {
  if (!at("door").hidden) return;
  await go();
  if (room()) at(address()).focus();
});

if (api.key) enter();
else open();
