// Does somebody write an answer? Dots tell it, or, where it can be seen while it is written, the answer in their place.

const GIVE_UP_MS = 90_000;
const GUESS_MS = 5_000; // until the stream has said it; it never does where nothing thinks, as with a human

export class Thinking {
  constructor(dots, transcript) {
    Object.assign(this, { dots, transcript });
    this.busy = false; // as the stream has it
    this.awaited = 0;
  }

  /** Whatever is told first: what is being written stands in the place of the dots. */
  tell(on) {
    this.busy = on;
    this.show(on && !this.transcript.drafts);
  }

  /** Shows what is being written; a message ends it, and so does a draft without text. */
  draft(data) {
    this.transcript.draft(data);
    this.show(this.busy && !this.transcript.drafts);
  }

  /** A message came. It may be a human's, or the next is being answered: whoever writes goes on, untold. */
  answered() {
    this.transcript.draft({ text: "" });
    this.show(this.busy);
  }

  /** Something was said that may be answered. */
  asked() {
    if (!this.transcript.drafts) this.show(true, this.busy ? GIVE_UP_MS : GUESS_MS);
  }

  /** The stream lives, and has not said that it is over: a model may think for long. */
  goOn() {
    if (this.busy && !this.dots.hidden) this.giveUp(GIVE_UP_MS);
  }

  /** Nobody tells any more whether they still hold; who connects again is told what does. */
  forget() {
    this.busy = false;
    this.transcript.draft({ text: "" });
  }

  show(on, longest = GIVE_UP_MS) {
    if (on) this.giveUp(longest);
    else clearTimeout(this.awaited);
    this.dots.hidden = !on;
    if (on) this.transcript.follow();
  }

  giveUp(later) {
    clearTimeout(this.awaited);
    this.awaited = setTimeout(() => this.show(false), later);
  }
}
