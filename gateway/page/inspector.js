// Which webhooks came in, and why was one refused? Asks this gateway, and no other host, as long as the page is open.

import { Detail } from "./arrival.js";
import { at, element } from "./elements.js";

const KEY = "parley.inspector";
const GOOD = new Set(["accepted", "answered", "nothing", "duplicate"]);
const MOST_SHOWN = 500;

const rows = new Map(); // id -> { arrival, item }
let token = taken();
let last = 0;
let wait = 0; // the first answer shows at once what is there
let chosen = "";

function taken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname); // out of the address bar, and out of the history
  }
  return given ?? sessionStorage.getItem(KEY) ?? "";
}

export async function ask(path, options = {}) {
  const answer = await fetch(`v1/inspector/${path}`, { ...options, headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
  if (answer.status === 401) throw new Closed();
  if (!answer.ok) throw new Error((await answer.json()).error?.message ?? answer.statusText);
  return answer;
}

class Closed extends Error {}

const detail = new Detail(at("detail"), { ask, replayed: (arrival) => take([arrival]), closed: () => choose("") });

function tone(arrival) {
  if (GOOD.has(arrival.result)) return "good";
  return arrival.result === "not_now" || arrival.result === "unreadable" ? "wait" : "bad";
}

const span = (text, classes) => element("span", text, classes);

function said(arrival) {
  const what = arrival.result.replace("_", " ") + (arrival.replay_of ? " again" : "");
  return `${what} · ${arrival.status || "no answer"}`;
}

function drawn(arrival) {
  const item = element("li");
  const button = element("button", "", "arrival");
  button.type = "button";
  const time = span(new Date(arrival.received_at).toLocaleTimeString([], { hour12: false }), "time");
  const result = span(said(arrival), "result");
  result.dataset.tone = tone(arrival);
  button.append(time, span(arrival.channel, "channel"), span(`${arrival.method} ${arrival.path}`, "path"), result);
  if (arrival.found) button.append(span(arrival.found, "found"));
  if (arrival.fix) button.append(span(arrival.fix, "fix"));
  button.addEventListener("click", () => choose(arrival.id));
  item.append(button);
  return item;
}

function take(arrivals) {
  for (const arrival of arrivals) {
    if (rows.has(arrival.id)) continue;
    const item = drawn(arrival);
    rows.set(arrival.id, { arrival, item });
    at("arrivals").prepend(item);
  }
  for (const [id, { item }] of rows) {
    if (rows.size <= MOST_SHOWN) break;
    item.remove();
    rows.delete(id);
  }
  sift();
}

function sift() {
  const only = at("refused").checked;
  let shown = 0;
  for (const { arrival, item } of rows.values()) {
    item.hidden = only && tone(arrival) === "good";
    shown += item.hidden ? 0 : 1;
  }
  at("none").hidden = shown > 0;
}

function choose(id) {
  chosen = id;
  for (const { arrival, item } of rows.values()) item.firstChild.setAttribute("aria-current", String(arrival.id === chosen));
  if (id) detail.show(id);
  else detail.hide();
}

function state(name, text) {
  at("status").dataset.state = name;
  at("status").textContent = text;
}

async function follow() {
  for (;;) {
    try {
      const heard = await (await ask(`arrivals?after=${last}&wait=${wait}`)).json();
      at("panes").hidden = false;
      at("door").hidden = true;
      state("live", `Live · gateway ${heard.gateway}`);
      if (heard.restarted) last = 0;
      take(heard.arrivals);
      last = heard.last;
      wait = 20;
    } catch (error) {
      if (error instanceof Closed) return open();
      state("lost", "The gateway does not answer; trying again");
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

function open() {
  state("lost", token ? "The token is not this gateway's" : "A token is needed");
  at("wrong").hidden = !token;
  at("panes").hidden = true;
  at("door").hidden = false;
  at("token").focus();
}

at("door").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  sessionStorage.setItem(KEY, token);
  follow();
});
at("refused").addEventListener("change", sift);
if (token) follow();
else open();
