// The device: signed in or not, reachable or not, and its calls: one that talks, and those that ring.
//
// Events: "state" {state, text}, "problem" (a Problem, or null: it is over), "incoming" (a Call), "calls" (any of them
// changed), "note" (a line for the list of what happened). What it looks like is view.js's business.

import { Call } from './call.js';
import { nameOf } from './parameters.js';
import { Problem, endProblem, isTokenExpired, isTokenWrong, lostProblem, signalProblem } from './problems.js';
import { Signal } from './signal.js';

const REGISTER_EVERY_MS = 30_000;
const RENEW_BEFORE_S = 20;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Phone extends EventTarget {
  #audio;
  #account = null;
  #signal = null;
  #registerTimer = 0;
  #renewTimer = 0;

  identity = '';
  current = null;
  ringing = [];

  constructor(audio) {
    super();
    this.#audio = audio;
    audio.addEventListener('microphone', ({ detail }) => this.current?.useMicrophone(detail.track));
  }

  get isSignedIn() {
    return this.#signal !== null;
  }

  // Signing in

  /** Throws a Problem when no token can be had; what comes later is told by events. */
  async signIn(account) {
    this.#state('busy', 'Signing in…');
    try {
      const token = await account.token();
      this.#account = account;
      this.#signal = this.#makeSignal();
      this.identity = account.identity;
      this.#signal.logIn(token);
      this.#state('busy', 'Connecting…');
    } catch (error) {
      this.#state('offline', 'Not connected');
      throw error;
    }
  }

  signOut(text = 'Not connected') {
    for (const call of [...this.ringing]) call.reject();
    this.current?.hangUp();
    clearInterval(this.#registerTimer);
    clearTimeout(this.#renewTimer);
    this.#signal?.logOut();
    this.#signal = this.#account = null;
    this.identity = '';
    this.#state('offline', text);
  }

  #makeSignal() {
    const url = new URL('signal', document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const signal = new Signal(url.href);
    signal.addEventListener('connected', ({ detail }) => this.#connected(detail));
    signal.addEventListener('message', ({ detail }) => this.#heard(detail.type, detail.payload));
    signal.addEventListener('lost', ({ detail }) => this.#lost(detail));
    signal.addEventListener('closed', () => {
      this.signOut('Closed by the gateway');
      this.#problem(new Problem('The gateway closed the connection.', 'Sign in again to be reachable.'));
    });
    return signal;
  }

  #connected({ identity, ttl, isFresh }) {
    this.identity = identity;
    if (isFresh) {
      this.current?.resume();
      this.#state('busy', 'Registering…');
      this.#register();
      this.#note(`Connected as ${identity}`);
    }
    clearTimeout(this.#renewTimer);
    const renewMs = Math.max(1, ttl - RENEW_BEFORE_S) * 1000;
    if (this.#account.isRenewable) this.#renewTimer = setTimeout(() => this.#renew(), Math.min(renewMs, LONGEST_TIMER_MS));
  }

  #register() {
    const wish = () => this.#signal?.sendNow('register', { media: { audio: true } });
    clearInterval(this.#registerTimer);
    this.#registerTimer = setInterval(wish, REGISTER_EVERY_MS);
    wish();
  }

  async #renew() {
    try {
      this.#signal?.logIn(await this.#account.token());
    } catch (problem) {
      this.#problem(problem);
    }
  }

  #lost(detail) {
    // What rang cannot be answered any more; the gateway rings again once we are back.
    for (const call of [...this.ringing]) call.end();
    this.#state('failed', 'Not connected, trying again');
    if (detail.attempts > 1 || !detail.hasOpened) this.#problem(lostProblem(detail));
    if (detail.attempts === 1) this.#note('Connection lost');
  }

  // What the gateway says

  #heard(type, payload) {
    switch (type) {
      case 'ready':
        this.#state('ready', 'Ready');
        this.#problem(null);
        break;
      case 'offline':
        this.#state('failed', 'Cannot be called');
        break;
      case 'error':
        this.#failed(payload.error);
        break;
      case 'invite':
        this.#invited(payload);
        break;
      default:
        this.#callNamed(payload.callsid, type)?.receive(type, payload);
    }
  }

  /** The first messages about a call of ours bring its real name; a hang-up without one means the running call. */
  #callNamed(sid, type) {
    const known = [this.current, ...this.ringing].find(call => call?.sid === sid);
    if (known) return known;
    const isFirst = (type === 'ringing' || type === 'answer') && this.current?.sid.startsWith('TJS');
    return isFirst || (type === 'hangup' && !sid) ? this.current : undefined;
  }

  #failed(error) {
    const problem = signalProblem(error);
    this.#note(`${problem.title} ${problem.advice}`);
    if (isTokenExpired(error?.code) && this.#account?.isRenewable) {
      this.#renew();
      return;
    }
    this.#problem(problem);
    if (isTokenExpired(error?.code)) this.#state('failed', 'Token expired');
    else if (isTokenWrong(error?.code) && !this.current) this.signOut('Not connected');
  }

  #invited(payload) {
    if (!payload.callsid || !payload.sdp || this.#callNamed(payload.callsid)) return;
    const call = Call.incoming(this.#signal, payload);
    this.ringing.push(call);
    this.#watch(call);
    this.#note(`${nameOf(call.peer)} is calling`);
    this.dispatchEvent(new CustomEvent('incoming', { detail: { call } }));
    this.#changed();
  }

  // Calls

  /** Throws a Problem: microphone refused, not connected. */
  async call(to, parameters) {
    if (!this.#signal?.isLoggedIn) throw new Problem('The softphone is not connected.', 'Wait until it is, or sign in again.');
    if (this.current) throw new Problem('There is a call already.', 'Hang it up first.');
    const call = Call.outgoing(this.#signal, to, parameters);
    this.current = call;
    this.#watch(call);
    this.#note(`Calling ${nameOf(to)}`);
    this.#changed();
    await this.#talk(call, microphone => call.start(microphone));
  }

  /** Takes a call that rings; one that is up is hung up. A refused microphone leaves it ringing. Throws a Problem. */
  async accept(call) {
    const microphone = await this.#audio.open();
    if (call.isOver) {
      this.#audio.release();
      return;
    }
    this.current?.hangUp();
    this.ringing = this.ringing.filter(other => other !== call);
    this.current = call;
    this.#changed();
    await this.#begin(call, () => call.accept(microphone));
  }

  async #talk(call, begin) {
    let microphone;
    try {
      microphone = await this.#audio.open();
    } catch (problem) {
      call.end();
      throw problem;
    }
    if (call.isOver) this.#audio.release();
    else await this.#begin(call, () => begin(microphone));
  }

  async #begin(call, begin) {
    call.addEventListener('ended', () => this.#audio.release(), { once: true });
    try {
      await begin();
    } catch (error) {
      call.hangUp('The sound could not be set up.');
      throw new Problem('The sound could not be set up.', error.message);
    }
  }

  #watch(call) {
    call.addEventListener('change', () => this.#changed());
    call.addEventListener('far', ({ detail }) => this.#audio.play(detail.stream));
    call.addEventListener('stuck', () =>
      this.#problem(
        new Problem('No sound gets through yet.', 'UDP to the gateway’s media address is blocked, or the address is wrong.'),
      ),
    );
    call.addEventListener('unstuck', () => this.#problem(null));
    call.addEventListener('ended', ({ detail }) => this.#ended(call, detail.error));
  }

  #ended(call, error) {
    this.ringing = this.ringing.filter(other => other !== call);
    if (this.current === call) {
      this.current = null;
      this.#audio.play(null);
    }
    const problem = endProblem(nameOf(call.peer), error);
    if (problem) this.#problem(problem);
    this.#note(problem ? `${problem.title} ${problem.advice}` : `Call with ${nameOf(call.peer)} ended`);
    this.#changed();
  }

  // Telling

  #state(state, text) {
    this.dispatchEvent(new CustomEvent('state', { detail: { state, text } }));
  }

  #problem(problem) {
    this.dispatchEvent(new CustomEvent('problem', { detail: problem }));
  }

  #note(text) {
    this.dispatchEvent(new CustomEvent('note', { detail: text }));
  }

  #changed() {
    this.dispatchEvent(new Event('calls'));
  }
}
