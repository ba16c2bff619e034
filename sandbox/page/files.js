// How is a file sent from a phone, and what does one look like on it? A picture, or a chip with its name and size.

import { button, draw, make } from "./parts.js";

const MOST_BYTES = 24 * 1024 * 1024;
const CLIP = "M20 11l-8.500 8.500a5 5 0 0 1-7-7L13 4a3.300 3.300 0 0 1 4.700 4.700L9.300 17a1.700 1.700 0 0 1-2.400-2.400L14 7.500";
const PAGE = "M6 2h8l5 5v15H6zM14 2v5h5";
const CROSS = "M5 5l14 14M19 5L5 19";

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** Its bytes in base64, as JSON takes them. */
function read(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

function chip(name, bytes) {
  const told = make("span", "file-told", make("span", "file-name", name), make("span", "file-size", size(bytes)));
  return [draw(PAGE, "0 0 24 24"), told];
}

/** What came or went with a message: it leads to the bytes. */
export function attachment(file) {
  const link = make("a", file.picture ? "picture" : "file");
  Object.assign(link, { href: `/files/${encodeURIComponent(file.id)}`, target: "_blank", rel: "noopener" });
  if (!file.picture) {
    link.append(...chip(file.name, file.size));
    return link;
  }
  const image = make("img", "");
  Object.assign(image, { src: link.href, alt: file.name });
  image.addEventListener("error", () => { link.className = "file"; link.replaceChildren(...chip(file.name, file.size)); });
  link.append(image);
  return link;
}

/** One file that waits to be sent: chosen by the button, dropped on the phone, or pasted into the field. */
export class Picker {
  constructor(title) {
    this.title = title;
    this.chosen = null;
    this.input = make("input", "");
    Object.assign(this.input, { type: "file", hidden: true });
    this.input.setAttribute("aria-label", `File on ${title}`);
    this.input.addEventListener("change", () => this.choose(this.input.files[0]));
    this.button = button("attach", draw(CLIP, "0 0 24 24"), () => this.input.click());
    this.button.setAttribute("aria-label", `Attach a file on ${title}`);
    this.waiting = make("p", "waiting");
    this.waiting.setAttribute("role", "status");
    this.waiting.hidden = true;
  }

  /** The phone that files are dropped on, and the field that they are pasted into. */
  listen(phone, field) {
    phone.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      phone.dataset.over = "true";
    });
    phone.addEventListener("dragleave", (event) => { if (!phone.contains(event.relatedTarget)) delete phone.dataset.over; });
    phone.addEventListener("drop", (event) => {
      delete phone.dataset.over;
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.choose(event.dataTransfer.files[0]);
      field.focus();
    });
    field.addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.choose(event.clipboardData.files[0]);
    });
  }

  choose(file) {
    this.input.value = "";
    if (!file) return;
    const fits = file.size > 0 && file.size <= MOST_BYTES;
    this.chosen = fits ? file : null;
    this.waiting.hidden = false;
    if (!fits) {
      this.waiting.replaceChildren(`${file.name} is ${file.size ? `larger than ${size(MOST_BYTES)}` : "empty"}`);
      return;
    }
    const remove = button("remove", draw(CROSS, "0 0 24 24"), () => { this.clear(); this.button.focus(); });
    remove.setAttribute("aria-label", `Do not send ${file.name}`);
    this.waiting.replaceChildren(...chip(file.name, file.size), remove);
  }

  clear() {
    this.chosen = null;
    this.waiting.hidden = true;
  }

  /** What is to be sent, once: null when nothing waits. */
  async take() {
    const file = this.chosen;
    if (!file) return null;
    this.clear();
    return { name: file.name, type: file.type, content: await read(file) };
  }
}
