// The gateway's signalling: JSON messages over one WebSocket, with login, heartbeat and return after a loss.
//
// Knows no call. Events: "connected" {identity, ttl, isFresh: a new socket}, "message" {type, payload},
// "lost" {afterMs: when the next attempt is, hasOpened}, "closed" (the gateway wants us gone for good).

const VERSION = '1.6';
const HEARTBEAT = '\n';
// The gateway sends a heartbeat every few seconds.
const SILENT_MS = 15_000;
const OPEN_MS = 5_000;
const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 20_000;
const MOST_WAITING = 50;

export class Signal extends EventTarget {
  #url;
  #token = '';
  #socket = null;
  #isLoggedIn = false;
  #isFresh = false;
  #hasOpened = false;
  #waiting = [];
  #attempts = 0;
  #openTimer = 0;
  #silenceTimer = 0;
  #returnTimer = 0;

  /** url: of the WebSocket, ws: or wss:. */
  constructor(url) {
    super();
    this.#url = url;
    globalThis.addEventListener('online', () => this.#hurry());
  }

  get isLoggedIn() {
    return this.#isLoggedIn;
  }

  /** Opens the socket, or hands a new token to the open one. */
  logIn(token) {
    this.#token = token;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#listen();
    else if (!this.#socket) this.#open();
  }

  /** Closes the socket for good; what was not sent is forgotten. */
  logOut() {
    this.#token = '';
    this.#waiting = [];
    this.#drop();
  }

  /** Sends a message of a call; while the socket is away it waits, in order. */
  send(type, payload) {
    if (this.#isLoggedIn) this.#put(type, payload);
    else if (this.#waiting.length < MOST_WAITING) this.#waiting.push([type, payload]);
  }

  /** Sends a message that would mean nothing later. False: not now. */
  sendNow(type, payload) {
    if (this.#isLoggedIn) this.#put(type, payload);
    return this.#isLoggedIn;
  }

  #open() {
    clearTimeout(this.#returnTimer);
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#isFresh = true;
    this.#openTimer = setTimeout(() => this.#lost(socket), OPEN_MS);
    socket.addEventListener('open', () => {
      clearTimeout(this.#openTimer);
      if (socket !== this.#socket) return;
      this.#hasOpened = true;
      this.#watchSilence(socket);
      this.#listen();
    });
    socket.addEventListener('message', event => {
      if (socket === this.#socket) this.#heard(socket, event.data);
    });
    socket.addEventListener('close', () => this.#lost(socket));
  }

  #listen() {
    const browserinfo = { p: 'browser', plugin: 'rtc', v: 'ringfork-softphone', browser: { userAgent: navigator.userAgent } };
    this.#put('listen', { token: this.#token, reconnectTimeout: 30, browserinfo });
  }

  #put(type, payload) {
    this.#socket?.send(JSON.stringify({ type, payload, version: VERSION }));
  }

  #heard(socket, text) {
    this.#watchSilence(socket);
    if (text === HEARTBEAT) {
      socket.send(HEARTBEAT);
      return;
    }
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const payload = message?.payload ?? {};
    switch (message?.type) {
      case 'connected':
        this.#loggedIn(payload);
        break;
      case 'close':
        this.logOut();
        this.#tell('closed', {});
        break;
      default:
        this.#tell('message', { type: message?.type, payload });
    }
  }

  #loggedIn(payload) {
    this.#isLoggedIn = true;
    this.#attempts = 0;
    const isFresh = this.#isFresh;
    this.#isFresh = false;
    this.#tell('connected', { identity: payload.token?.identity ?? '', ttl: payload.token?.ttl ?? 3600, isFresh });
    for (const [type, waiting] of this.#waiting.splice(0)) this.#put(type, waiting);
  }

  #watchSilence(socket) {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#lost(socket), SILENT_MS);
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#drop();
    const most = Math.min(FIRST_DELAY_MS * 2 ** this.#attempts, LONGEST_DELAY_MS);
    this.#attempts += 1;
    const afterMs = most * (0.6 + Math.random() * 0.8);
    this.#returnTimer = setTimeout(() => this.#open(), afterMs);
    this.#tell('lost', { afterMs, hasOpened: this.#hasOpened, attempts: this.#attempts });
  }

  #hurry() {
    if (this.#token && !this.#socket) this.#open();
  }

  #drop() {
    for (const timer of [this.#openTimer, this.#silenceTimer, this.#returnTimer]) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#isLoggedIn = false;
    socket?.close();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
