// What does the page do? Shows a phone for each channel as the sandbox says it is, and tells it what a person does.

import { PhoneView } from "./phone.js";

const at = (id) => document.getElementById(id);
const views = new Map();

function show(state, words) {
  const status = at("status");
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  status.textContent = words;
}

/** Does one thing on one phone. What came of it is seen on the phone. */
async function act(channel, deed, asked) {
  try {
    const answer = await fetch(`/phones/${channel}/${deed}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(asked),
    });
    return answer.ok;
  } catch {
    show("offline", "The sandbox does not answer");
    return false;
  }
}

function build(about) {
  for (const each of about) {
    const view = new PhoneView(each, (deed, asked) => act(each.channel, deed, asked));
    views.set(each.channel, view);
    at("phones").append(view.root);
    at("tabs").append(tab(each, view));
  }
  mark(about[0]?.channel);
  const seen = new IntersectionObserver(
    (entries) => entries.filter((each) => each.isIntersecting).forEach((each) => mark(each.target.dataset.channel)),
    { root: at("phones"), threshold: 0.6 },
  );
  for (const view of views.values()) seen.observe(view.root);
}

/** At the size of a phone there is room for one, and these lead to the others. */
function tab(about, view) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tab";
  button.textContent = about.title;
  button.dataset.channel = about.channel;
  button.addEventListener("click", () => view.root.scrollIntoView({ behavior: "smooth", block: "nearest", inline: "center" }));
  return button;
}

function mark(channel) {
  for (const each of at("tabs").children) {
    const current = each.dataset.channel === channel;
    each.setAttribute("aria-current", String(current));
    if (current) at("tabs").scrollTo({ left: each.offsetLeft - 16, behavior: "smooth" });
  }
}

function render(phones) {
  for (const phone of phones) views.get(phone.channel)?.render(phone);
}

/** Each event is the whole state, so that a stream that ended and begins again has missed nothing. */
function listen() {
  const stream = new EventSource("/events");
  stream.addEventListener("open", () => show("online", "Live"));
  stream.addEventListener("error", () => show("offline", "The sandbox does not answer"));
  stream.addEventListener("message", (event) => render(JSON.parse(event.data)));
}

async function begin() {
  try {
    const { about, phones } = await (await fetch("/state")).json();
    build(about);
    render(phones);
    listen();
  } catch {
    show("offline", "The sandbox does not answer");
    setTimeout(begin, 2000);
  }
}

begin();
