// What happens, as it happens: server-sent events, with return after a loss.
//
// Events: "ready" (the stream is open: read everything anew), "lost", "refused" (log in again), and the gateway's own:
// "call", "recording", "story", "presence", each with its value.

import { ask, urlOf } from './api.js';

const KINDS = ['call', 'recording', 'story', 'presence'];
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 20_000;

export class Live extends EventTarget {
  #source = null;
  #timer = 0;
  #attempts = 0;
  #call = null;

  /** call: sid of the call whose page is open, or null. */
  open(call = null) {
    this.close();
    this.#call = call;
    const source = new EventSource(urlOf(call ? `live?call=${encodeURIComponent(call)}` : 'live'));
    this.#source = source;
    source.addEventListener('ready', () => {
      this.#attempts = 0;
      this.#tell('ready');
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, event => this.#tell(kind, JSON.parse(event.data)));
    }
    source.addEventListener('error', () => this.#lost(source));
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  /** The browser gives up after an answer that is no stream; then it is ours to find out why and to come back. */
  async #lost(source) {
    if (source !== this.#source) return;
    this.#tell('lost');
    source.close();
    this.#source = null;
    const delay = Math.min(FIRST_DELAY_MS * 2 ** this.#attempts, LONGEST_DELAY_MS) * (0.7 + Math.random() * 0.6);
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.#comeBack(), delay);
  }

  async #comeBack() {
    try {
      const session = await ask('session');
      if (session.user) this.open(this.#call);
      else this.#tell('refused');
    } catch (error) {
      if (error.needsLogin) this.#tell('refused');
      else this.#timer = setTimeout(() => this.#comeBack(), LONGEST_DELAY_MS / 4);
    }
  }

  #tell(kind, detail = null) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}
