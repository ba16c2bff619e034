// How are words shown? Nodes of the blocks that the gateway made of a text: every value is text, so nothing can break out.

const MARKS = { bold: "strong", italic: "em", strike: "s", code: "code" };
const FOLLOWED = new Set(["http:", "https:", "mailto:"]);

/** The nodes of a message: its blocks, or its text as it stands; then its files. */
export function nodes(message) {
  const files = (message.attachments ?? []).map(file);
  if (!message.blocks?.length) return [document.createTextNode(message.text), ...files];
  return [...message.blocks.map(outermost), ...files];
}

/** Its name and, since a name may say anything, where it is; then its caption. */
function file({ kind, file_name: name, caption, href }) {
  const shown = filled("bdi", [name || kind]);
  const stands = followed(href) ? [link([shown, ` (${new URL(href).host})`], href)] : [shown];
  return filled("p", caption ? [...stands, `\n${caption}`] : stands, "file");
}

function block(each) {
  return (BLOCKS[each.kind] ?? paragraph)(each);
}

/** One that stands by itself runs as its first letter does: Arabic has bullets, bars and the first column on the right. */
function outermost(each) {
  const made = block(each);
  if (each.kind !== "code") made.dir = "auto";
  return made;
}

const paragraph = (each) => filled("p", (each.spans ?? []).map(span));

const BLOCKS = {
  paragraph,
  heading: (each) => filled("h3", each.spans.map(span)),
  quote: (each) => filled("blockquote", each.blocks.map(block)),
  list: listing,
  code: (each) => focusable(filled("pre", [filled("code", [each.text])])),
  table: (each) => focusable(filled("div", [table(each)], "wide")),
  rule: () => document.createElement("hr"),
};

function listing(each) {
  const made = filled(each.items[0]?.number ? "ol" : "ul", each.items.map(item));
  const first = Number.parseInt(each.items[0]?.number ?? "", 10);
  if (first > 1) made.start = first;
  return made;
}

/** An item of one paragraph stands on its line. */
function item({ blocks }) {
  const [first, ...rest] = blocks;
  const line = first?.kind === "paragraph" ? first.spans.map(span) : first ? [block(first)] : [];
  return filled("li", [...line, ...rest.map(block)]);
}

function table({ rows: [heads, ...rows] }) {
  const cells = (row, name) => filled("tr", row.map((cell) => filled(name, cell.map(span))));
  const head = filled("thead", [cells(heads, "th")]);
  for (const cell of head.firstChild.children) cell.scope = "col";
  return filled("table", [head, filled("tbody", rows.map((row) => cells(row, "td")))]);
}

function span({ text, marks = [], href }) {
  let made = document.createTextNode(text);
  for (const mark of [...marks].reverse()) if (MARKS[mark]) made = filled(MARKS[mark], [made]);
  if (!followed(href)) return made;
  const leading = link([made], href);
  if (followed(text)) leading.dir = "ltr"; // an address, which a mark before it could have read backwards
  return leading;
}

function link(inside, href) {
  const made = filled("a", inside);
  made.href = href;
  made.rel = "noopener noreferrer nofollow";
  made.target = "_blank";
  return made;
}

/** Asked once more here: the page does not follow what it would not, whoever sent it. */
function followed(href) {
  try {
    return Boolean(href) && FOLLOWED.has(new URL(href).protocol);
  } catch {
    return false;
  }
}

/** What scrolls sideways can be reached by keyboard. */
function focusable(made) {
  made.tabIndex = 0;
  return made;
}

function filled(name, children, classes = "") {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  made.append(...children);
  return made;
}
