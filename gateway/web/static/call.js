// One call of this page: its peer connection, its names on the wire, and what became of it.
//
// States: "asking" (for the microphone), "calling", "ringing" (the far end, or us), "connecting", "open", "recovering",
// "ended". Events: "change" (state, mute or names), "far" {stream}, "ended" {error: {code, message} or null}, "stuck"
// (no sound comes up: the media address does not answer), "unstuck".
// The gateway's candidates are in its descriptions; it learns ours from our checks, so none are sent.

import { decodeParameters, encodeParameters } from './parameters.js';

const STUCK_MS = 8_000;
const RECOVER_MS = 3_000;
const RESTART_EVERY_MS = 10_000;
const RESTARTS = 3;
const KEY_MS = 160;
const GAP_MS = 70;

export class Call extends EventTarget {
  #signal;
  #offer;
  #peerConnection = null;
  #sender = null;
  #reconnect;
  #stuckTimer = 0;
  #recoverTimer = 0;
  #restarts = 0;
  #isRestarting = false;
  #work = Promise.resolve();

  state = 'asking';
  isMuted = false;
  openedAt = 0;

  /** A call for us. payload: of the invite. */
  static incoming(signal, payload) {
    const { From: from = '', Params: custom = '' } = payload.parameters ?? {};
    const call = new Call(signal, { isIncoming: true, sid: payload.callsid, peer: from, parameters: decodeParameters(custom) });
    call.#offer = payload.sdp;
    call.#reconnect = payload.reconnect;
    call.state = 'ringing';
    return call;
  }

  /** A call of ours, not started. parameters: [name, value] pairs. */
  static outgoing(signal, to, parameters) {
    return new Call(signal, { isIncoming: false, sid: `TJS${crypto.randomUUID()}`, peer: to, parameters });
  }

  constructor(signal, { isIncoming, sid, peer, parameters }) {
    super();
    this.#signal = signal;
    this.isIncoming = isIncoming;
    this.sid = sid;
    this.peer = peer;
    this.parameters = parameters;
  }

  get isOver() {
    return this.state === 'ended';
  }

  /** Whether this side has agreed to talk. */
  get isTaken() {
    return !(this.isIncoming && this.state === 'ringing') && !this.isOver;
  }

  // What we do

  /** Sends the call out. */
  async start(microphone) {
    this.#connect(microphone);
    await this.#peerConnection.setLocalDescription();
    if (this.isOver) return;
    const params = encodeParameters([['To', this.peer], ...this.parameters]);
    this.#signal.send('invite', { callsid: this.sid, sdp: this.#described(), twilio: { params } });
    this.#become('calling');
  }

  /** Takes the call. */
  async accept(microphone) {
    this.#connect(microphone);
    this.#become('connecting');
    await this.#peerConnection.setRemoteDescription({ type: 'offer', sdp: this.#offer });
    await this.#peerConnection.setLocalDescription();
    if (this.isOver) return;
    this.#signal.send('answer', { callsid: this.sid, sdp: this.#described() });
    this.#opened();
  }

  reject() {
    if (!this.isOver) this.#signal.send('reject', { callsid: this.sid });
    this.end();
  }

  hangUp(message) {
    if (this.isOver) return;
    if (this.isTaken && this.state !== 'asking') this.#signal.send('hangup', { callsid: this.sid, ...(message && { message }) });
    this.end();
  }

  setMuted(isMuted) {
    this.isMuted = isMuted;
    if (this.#sender?.track) this.#sender.track.enabled = !isMuted;
    this.#changed();
  }

  /** By RFC 4733 where that was agreed on, else by a message. */
  press(key) {
    const dtmf = this.#sender?.dtmf;
    if (dtmf?.canInsertDTMF) dtmf.insertDTMF(dtmf.toneBuffer + key, KEY_MS, GAP_MS);
    else this.#signal.send('dtmf', { callsid: this.sid, dtmf: key });
  }

  async useMicrophone(track) {
    track.enabled = !this.isMuted;
    await this.#sender?.replaceTrack(track);
  }

  /** The signalling came back on a new socket: this call belongs to it now. One nobody answered yet is lost. */
  resume() {
    if (this.isOver || this.state === 'asking') return;
    if (!this.#reconnect) {
      this.hangUp();
      return;
    }
    this.#signal.sendNow('invite', { callsid: this.sid, reconnect: this.#reconnect, sdp: this.#described(), twilio: {} });
  }

  end(error = null) {
    if (this.isOver) return;
    clearTimeout(this.#stuckTimer);
    clearTimeout(this.#recoverTimer);
    this.#peerConnection?.close();
    this.#become('ended');
    this.dispatchEvent(new CustomEvent('ended', { detail: { error } }));
  }

  // What the gateway says

  receive(type, payload) {
    switch (type) {
      case 'ringing':
        this.sid = payload.callsid ?? this.sid;
        if (payload.sdp) this.#apply(payload.sdp);
        this.#become('ringing');
        break;
      case 'answer':
        this.sid = payload.callsid ?? this.sid;
        this.#reconnect = payload.reconnect ?? this.#reconnect;
        if (payload.sdp) this.#apply(payload.sdp);
        if (this.state === 'calling' || this.state === 'ringing') this.#opened();
        break;
      case 'hangup':
        this.end(payload.error ?? null);
        break;
      case 'cancel':
        this.end();
        break;
    }
  }

  // The peer connection

  #connect(microphone) {
    const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
    this.#peerConnection = connection;
    const [track] = microphone.getAudioTracks();
    track.enabled = !this.isMuted;
    this.#sender = connection.addTrack(track, microphone);
    connection.addEventListener('track', ({ streams, track: far }) => {
      this.dispatchEvent(new CustomEvent('far', { detail: { stream: streams[0] ?? new MediaStream([far]) } }));
    });
    connection.addEventListener('connectionstatechange', () => this.#connectionChanged(connection.connectionState));
  }

  #described() {
    return this.#peerConnection.localDescription.sdp;
  }

  /** An answer of the gateway; the first of each exchange counts. */
  #apply(sdp) {
    this.#work = this.#work.then(async () => {
      if (this.isOver || this.#peerConnection?.signalingState !== 'have-local-offer') return;
      try {
        await this.#peerConnection.setRemoteDescription({ type: 'answer', sdp });
        this.#isRestarting = false;
      } catch {
        this.hangUp('The answer could not be used.');
      }
    });
  }

  #opened() {
    this.openedAt = Date.now();
    const isUp = this.#peerConnection.connectionState === 'connected';
    this.#become(isUp ? 'open' : 'connecting');
    if (!isUp) this.#stuckTimer = setTimeout(() => this.dispatchEvent(new Event('stuck')), STUCK_MS);
  }

  #connectionChanged(state) {
    if (this.isOver || !this.openedAt) return;
    switch (state) {
      case 'connected':
        clearTimeout(this.#stuckTimer);
        clearTimeout(this.#recoverTimer);
        this.#recoverTimer = 0;
        this.#restarts = 0;
        this.#become('open');
        this.dispatchEvent(new Event('unstuck'));
        break;
      case 'disconnected':
        this.#become('recovering');
        this.#recoverLater(RECOVER_MS);
        break;
      case 'failed':
        this.#become('recovering');
        this.#recoverLater(0);
        break;
    }
  }

  #recoverLater(afterMs) {
    clearTimeout(this.#recoverTimer);
    this.#recoverTimer = setTimeout(() => this.#restart(), afterMs);
  }

  /** ICE restart; the gateway answers on a fresh connection of its own. */
  async #restart() {
    if (this.isOver || this.#peerConnection.connectionState === 'connected') return;
    if (this.#restarts === RESTARTS) {
      this.#signal.send('hangup', { callsid: this.sid, message: 'The sound did not come back.' });
      this.end({ code: 53405, message: 'Media connection failed' });
      return;
    }
    this.#restarts += 1;
    this.#recoverLater(RESTART_EVERY_MS);
    if (!this.#isRestarting) {
      this.#isRestarting = true;
      await this.#peerConnection.setLocalDescription(await this.#peerConnection.createOffer({ iceRestart: true }));
    }
    this.#signal.sendNow('reinvite', { callsid: this.sid, sdp: this.#described() });
  }

  #become(state) {
    if (this.isOver) return;
    this.state = state;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
