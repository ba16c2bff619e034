// What is there to know of one webhook? Its reason, headers and body; the same once more, or as a curl.

import { element } from "./elements.js";

function table(pairs) {
  const made = element("table");
  for (const [name, value] of pairs) {
    const row = made.insertRow();
    row.append(element("th", name));
    row.insertCell().textContent = value;
  }
  return made;
}

const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

function advice(arrival) {
  if (!arrival.found) return [];
  const made = element("div", "", "advice");
  made.append(element("p", arrival.found));
  if (arrival.fix) made.append(element("p", arrival.fix));
  return [made];
}

function facts(arrival) {
  const pairs = [
    ["url", arrival.url],
    ["status", `${arrival.status || "no answer"} in ${arrival.milliseconds} ms`],
    ["result", arrival.result + (arrival.reason ? ` (${arrival.reason})` : "")],
    ["carries", `${count(arrival.messages, "message")}, ${count(arrival.receipts, "receipt")}, ${arrival.bytes} bytes`],
    ["account", arrival.account_id || "none"],
    ["tenant", arrival.tenant || "none"],
    ["log", `grep ${arrival.id}`],
  ];
  if (arrival.replay_of) pairs.push(["replay of", arrival.replay_of]);
  for (const each of arrival.stored) pairs.push([each.duplicate ? "first was" : "message", `${each.message_id} in ${each.conversation_id}`]);
  return pairs;
}

// The pane beside the list.
export class Detail {
  constructor(pane, { ask, replayed, closed }) {
    Object.assign(this, { pane, ask, replayed, closed, id: "" });
  }

  hide() {
    this.id = "";
    this.pane.hidden = true;
    this.pane.replaceChildren();
  }

  async show(id) {
    this.id = id;
    await this.try(async () => {
      const arrival = await (await this.ask(`arrivals/${id}`)).json();
      if (this.id === id) this.draw(arrival);
    });
  }

  draw(arrival) {
    this.said = element("p", "", "said");
    this.said.setAttribute("role", "status");
    this.body = element("div");
    const deeds = element("div", "", "deeds");
    const deed = (text, work) => {
      const made = element("button", text);
      made.type = "button";
      made.addEventListener("click", () => this.try(work));
      deeds.append(made);
    };
    if (arrival.result !== "unread") deed("Replay", () => this.replay(arrival));
    deed("Copy as curl", () => this.copy(arrival));
    if (arrival.bytes) deed("Show body", () => this.showBody(arrival));
    deed("Close", async () => this.closed());
    const headers = element("h3", "Headers");
    this.pane.replaceChildren(
      element("h2", `${arrival.channel} · ${arrival.method}`),
      ...advice(arrival), deeds, this.said, table(facts(arrival)), this.body, headers, table(arrival.headers),
    );
    this.pane.hidden = false;
    this.pane.scrollTop = 0;
    this.pane.focus({ preventScroll: innerWidth > 800 });
  }

  async replay(arrival) {
    const again = await (await this.ask(`arrivals/${arrival.id}/replay`, { method: "POST" })).json();
    this.replayed(again);
    this.said.textContent = `Replayed: ${again.result.replace("_", " ")}, ${again.status}${again.found ? `. ${again.found}` : ""}`;
  }

  async copy(arrival) {
    const command = await (await this.ask(`arrivals/${arrival.id}/curl`)).text();
    this.body.replaceChildren(element("h3", "As curl"), element("pre", command));
    try {
      await navigator.clipboard.writeText(command);
      this.said.textContent = "Copied";
    } catch {
      this.said.textContent = "The browser does not let this page copy: it stands below";
    }
  }

  async showBody(arrival) {
    const full = await (await this.ask(`arrivals/${arrival.id}?text=true`)).json();
    this.body.replaceChildren(element("h3", "Body"), element("pre", full.body));
  }

  async try(work) {
    try {
      await work();
    } catch (error) {
      if (this.said?.isConnected) this.said.textContent = error.message;
    }
  }
}
