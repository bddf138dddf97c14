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
  #tookMs = 0;
  #isReading = false;
  #isStale = false;

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

  /** Reads again soon; once for however much news comes meanwhile, and less often what takes long to read. */
  readSoon(ms = 250) {
    if (this.#isReading) this.#isStale = true;
    if (this.#due || this.#isReading || this.signal.aborted) return;
    this.#due = setTimeout(() => this.#readNow(), Math.max(ms, 3 * this.#tookMs));
  }

  async #readNow() {
    const begun = performance.now();
    this.#due = 0;
    this.#isReading = true;
    await this.attempt(() => this.read());
    this.#isReading = false;
    this.#tookMs = performance.now() - begun;
    if (this.#isStale) {
      this.#isStale = false;
      this.readSoon();
    }
  }

  leave() {
    this.#abort.abort();
    clearTimeout(this.#due);
    for (const timer of this.#timers) clearInterval(timer);
  }
}
