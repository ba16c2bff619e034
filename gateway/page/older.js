// How is reached what was said before? By a button above it or by scrolling up to it, a page at a time.

const SOON_PX = 300; // between what is seen and the beginning of what is shown: by then more is asked for
const MORE = "Show earlier messages";
const LOADING = "Loading…";
const FAILED = "Earlier messages could not be loaded. Try again";

export class Older {
  constructor({ button, told, scroll, transcript }, ask) {
    Object.assign(this, { button, told, scroll, transcript, ask });
    this.from(0);
    button.addEventListener("click", () => this.load());
    scroll.addEventListener("scroll", () => { if (this.isReached()) this.load(); }, { passive: true });
  }

  /** More was said before this place; before 0 there is nothing. */
  from(seq) {
    this.seq = seq;
    this.button.textContent = MORE;
    this.button.hidden = !seq;
  }

  /** By scrolling. Whoever came to the button by keyboard presses it; and what failed is not asked for by each scroll. */
  isReached() {
    const { button, scroll, transcript } = this;
    if (transcript.following || button.textContent !== MORE) return false;
    return scroll.scrollTop < SOON_PX && !button.matches(":focus-visible");
  }

  async load() {
    const { seq, button } = this;
    if (!seq || button.textContent === LOADING) return;
    button.textContent = LOADING;
    this.told.textContent = "";
    const page = await this.ask(seq).catch(() => null);
    if (this.seq !== seq) return; // the conversation began anew
    if (page) this.show(page);
    else button.textContent = FAILED;
    this.told.textContent = page ? "Earlier messages are shown" : FAILED;
  }

  /** What is read stays in its place; who came by keyboard keeps one when the button goes. */
  show({ messages, more }) {
    const older = messages.filter((each) => each.seq < this.seq); // a gateway of an older release begins at the beginning
    const pressed = document.activeElement === this.button;
    this.transcript.still(() => {
      this.transcript.precede(older);
      this.from(more && older.length ? older[0].seq : 0);
    });
    if (pressed && !this.seq) this.scroll.focus({ preventScroll: true });
  }
}
