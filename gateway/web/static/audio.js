// Microphone, speaker, level meters, and the tones a phone makes by itself.
//
// Owns the one microphone stream, shared by the calls of the page and let go when none is left.
// Events: "devices" (they changed), "microphone" {track: another one is in use}.

import { microphoneProblem } from './problems.js';

const MICROPHONE_KEY = 'ringfork.microphone';
const SPEAKER_KEY = 'ringfork.speaker';
// A level meter shows what people hear: from silence at -60 dB to full scale.
const QUIET_DB = -60;
// Source: ITU-T Q.23.
const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477, 1633];
const KEYS = ['123A', '456B', '789C', '*0#D'];
// [frequencies], seconds on, seconds off
const RING = { tones: [480, 620], on: 0.4, off: 0.2, times: 2, pause: 2 };
const RINGBACK = { tones: [440, 480], on: 2, off: 4, times: 1, pause: 0 };

export class Audio extends EventTarget {
  #element;
  #context = null;
  #stream = null;
  #users = 0;
  #mine = null;
  #theirs = null;
  #signal = null;

  /** element: the <audio> that plays the far end. */
  constructor(element) {
    super();
    this.#element = element;
    navigator.mediaDevices?.addEventListener?.('devicechange', () => this.dispatchEvent(new Event('devices')));
    this.#useSpeaker(this.speaker);
  }

  get microphone() {
    return stored(MICROPHONE_KEY);
  }

  get speaker() {
    return stored(SPEAKER_KEY);
  }

  get canChooseSpeaker() {
    return 'setSinkId' in this.#element;
  }

  /** To be called in a click: browsers let pages make sound only after one. */
  wake() {
    this.#context ??= new AudioContext();
    if (this.#context.state === 'suspended') void this.#context.resume();
  }

  // Microphone

  /** The microphone for one more call; throws a Problem. `release` it. */
  async open() {
    this.#users += 1;
    try {
      await this.#capture();
    } catch (error) {
      this.release();
      throw error;
    }
    return this.#stream;
  }

  release() {
    this.#users = Math.max(0, this.#users - 1);
    if (this.#users === 0) this.#letGo();
  }

  async chooseMicrophone(id) {
    localStorage.setItem(MICROPHONE_KEY, id);
    if (this.#users === 0) return;
    this.#letGo();
    await this.#capture();
    const [track] = this.#stream.getAudioTracks();
    this.dispatchEvent(new CustomEvent('microphone', { detail: { track } }));
  }

  async chooseSpeaker(id) {
    localStorage.setItem(SPEAKER_KEY, id);
    await this.#useSpeaker(id);
  }

  /** {microphones, speakers}; without permission browsers tell neither names nor ids. */
  async devices() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const of = kind => all.filter(device => device.kind === kind && device.deviceId);
    return { microphones: of('audioinput'), speakers: of('audiooutput') };
  }

  async #capture() {
    if (this.#stream) return;
    const id = this.microphone;
    const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    if (id) wanted.deviceId = { exact: id };
    try {
      this.#stream = await this.#ask(wanted, id);
    } catch (error) {
      throw microphoneProblem(error);
    }
    this.#mine = this.#meter(this.#stream);
    this.dispatchEvent(new Event('devices'));
  }

  async #ask(wanted, id) {
    if (!navigator.mediaDevices) throw new DOMException('no media devices', 'SecurityError');
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: wanted });
    } catch (error) {
      if (!id || error.name !== 'OverconstrainedError') throw error;
      // The chosen one was unplugged: any other is better than none.
      delete wanted.deviceId;
      return navigator.mediaDevices.getUserMedia({ audio: wanted });
    }
  }

  #letGo() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#mine?.source.disconnect();
    this.#stream = this.#mine = null;
  }

  // Speaker

  /** Plays the far end; null stops. */
  play(stream) {
    this.#theirs?.source.disconnect();
    this.#theirs = stream && this.#meter(stream);
    this.#element.srcObject = stream;
    if (stream) this.#element.play().catch(() => {});
  }

  async #useSpeaker(id) {
    if (!this.canChooseSpeaker) return;
    try {
      await this.#element.setSinkId(id);
    } catch {
      // Unplugged since: the system's own choice is used.
      await this.#element.setSinkId('').catch(() => {});
    }
  }

  // Levels

  /** {mine, theirs}: 0 to 1. */
  levels() {
    return { mine: levelOf(this.#mine), theirs: levelOf(this.#theirs) };
  }

  #meter(stream) {
    this.wake();
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    const source = this.#context.createMediaStreamSource(stream);
    source.connect(analyser);
    return { source, analyser, samples: new Float32Array(analyser.fftSize) };
  }

  // Tones

  ring() {
    this.#cadence(RING, 0.12);
  }

  ringback() {
    this.#cadence(RINGBACK, 0.06);
  }

  /** Ends ringing and ringback. */
  quiet() {
    this.#signal?.stop();
    this.#signal = null;
  }

  /** What pressing a key sounds like here; the far end gets its own. */
  keyTone(key) {
    const row = KEYS.findIndex(keys => keys.includes(key));
    if (row < 0) return;
    this.wake();
    const volume = this.#volume(0.08);
    const now = this.#context.currentTime;
    this.#sound([ROWS[row], COLUMNS[KEYS[row].indexOf(key)]], volume, now, now + 0.12);
  }

  #cadence({ tones, on, off, times, pause }, loudness) {
    this.quiet();
    if (!this.#context) return;
    const volume = this.#volume(loudness);
    const period = times * (on + off) + pause;
    const play = () => {
      const start = this.#context.currentTime + 0.05;
      for (let n = 0; n < times; n += 1) this.#sound(tones, volume, start + n * (on + off), start + n * (on + off) + on);
    };
    play();
    const timer = setInterval(play, period * 1000);
    this.#signal = {
      stop: () => {
        clearInterval(timer);
        volume.disconnect();
      },
    };
  }

  #volume(loudness) {
    const volume = this.#context.createGain();
    volume.gain.value = loudness;
    volume.connect(this.#context.destination);
    return volume;
  }

  #sound(tones, volume, start, stop) {
    for (const frequency of tones) {
      const oscillator = this.#context.createOscillator();
      oscillator.frequency.value = frequency;
      oscillator.connect(volume);
      oscillator.start(start);
      oscillator.stop(stop);
    }
  }
}

function levelOf(meter) {
  if (!meter) return 0;
  meter.analyser.getFloatTimeDomainData(meter.samples);
  const power = meter.samples.reduce((sum, sample) => sum + sample * sample, 0) / meter.samples.length;
  if (power === 0) return 0;
  return Math.min(1, Math.max(0, 1 - (10 * Math.log10(power)) / QUIET_DB));
}

function stored(key) {
  return localStorage.getItem(key) ?? '';
}
