// What pages have in common: they are entered, read, told news, and left.

/**
 * enter(place): fills the place with what does not depend on the gateway. read(): asks the gateway, runs when the live
 * stream is open and after each loss. call, recording, story, presence: news. leave(): stops everything.
 */
export class Page {
  callSid = null;
  /** Set by whoever opens the page: runs work, shows what fails. */
  attempt = work => work();
  #abort = new AbortController();
  #timers = new Set();
  #due = 0;

  get signal() {
    return this.#abort.signal;
  }

  /** Whether this page goes on for another address of its own. */
  takes() {
    return false;
  }

  every(ms, work) {
    this.#timers.add(setInterval(work, ms));
  }

  /** Reads again soon; once for however much news comes meanwhile. */
  readSoon(ms = 250) {
    if (this.#due) return;
    this.#due = setTimeout(() => {
      this.#due = 0;
      this.attempt(() => this.read());
    }, ms);
  }

  leave() {
    this.#abort.abort();
    clearTimeout(this.#due);
    for (const timer of this.#timers) clearInterval(timer);
  }
}
