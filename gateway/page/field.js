// What does the field take? A text of so many characters, sent by Enter or the button; and no file.

const MOST_CHARACTERS = 8000;
const NO_FILES = "Files cannot be sent here.";

/** On a phone and a tablet Enter is a new line, and the button sends. */
export const typesByKeyboard = () => !matchMedia("(pointer: coarse)").matches;

export class Field {
  constructor({ form, text, send, problem }, say) {
    Object.assign(this, { text, send, problem, say });
    form.addEventListener("submit", (event) => this.submit(event));
    text.addEventListener("keydown", (event) => this.onKey(event));
    text.addEventListener("input", () => this.fit());
    for (const name of ["dragover", "drop", "paste"]) window.addEventListener(name, (event) => this.decline(event));
    this.fit();
  }

  fit() {
    const { text, send, problem } = this;
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight + 2}px`;
    const over = [...text.value.trim()].length - MOST_CHARACTERS;
    problem.textContent = over > 0 ? `Too long by ${over} characters: ${MOST_CHARACTERS} can be sent at once.` : "";
    send.disabled = !text.value.trim() || over > 0;
  }

  submit(event) {
    event.preventDefault();
    const text = this.text.value.trim();
    if (!text || this.send.disabled) return;
    this.text.value = "";
    this.fit();
    this.say(text);
    this.text.focus();
  }

  onKey(event) {
    // The Enter that ends a composition is not meant for us. Safari says only by 229 that it is one (WebKit bug 165004).
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (typesByKeyboard()) this.submit(event);
  }

  /** A file that is dropped would open in the place of the chat, and one that is pasted vanish without a word. */
  decline(event) {
    const types = (event.dataTransfer ?? event.clipboardData)?.types ?? [];
    if (!types.includes("Files") || types.includes("text/plain")) return; // a table from an office comes as both
    event.preventDefault();
    if (event.type !== "dragover") this.problem.textContent = NO_FILES;
  }
}
