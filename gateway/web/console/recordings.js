// Recordings, each with its outline and a player.

import { ask, urlOf } from './api.js';
import { badge, empty, keyed, make, time } from './dom.js';
import { Page } from './page.js';
import { lasting, shown } from './text.js';
import { wave } from './wave.js';

const MOST_ITEMS = 300;

export class RecordingsPage extends Page {
  #recordings = [];
  #hasMore = false;
  #place = {};

  enter(place) {
    document.title = 'Recordings – Ringfork console';
    this.#place = {
      none: empty('There is no recording yet.', 'record on <Dial>, <Record> and the REST API make them.'),
      list: make('ul', { class: 'recordings' }),
      more: make('button', { type: 'button', hidden: true, click: () => this.attempt(() => this.#older()) }, 'Show older recordings'),
    };
    const { none, list, more } = this.#place;
    none.hidden = true;
    place.append(make('section', { class: 'card', 'aria-labelledby': 'recordings-title' },
      make('h2', { id: 'recordings-title' }, 'Recordings'), none, list, more));
  }

  async read() {
    const page = await ask('recordings', { signal: this.signal });
    const oldest = page.recordings.at(-1)?.sid ?? '';
    const older = page.has_more ? this.#recordings.filter(each => each.sid < oldest) : [];
    if (!older.length) this.#hasMore = page.has_more;
    this.#recordings = [...page.recordings, ...older];
    this.#show();
  }

  async #older() {
    const page = await ask(`recordings?after=${this.#recordings.at(-1).sid}`, { signal: this.signal });
    this.#recordings.push(...page.recordings);
    this.#hasMore = page.has_more && this.#recordings.length < MOST_ITEMS;
    this.#show();
  }

  recording(recording) {
    const others = this.#recordings.filter(each => each.sid !== recording.sid);
    const isKept = recording.status !== 'deleted';
    this.#recordings = [...(isKept ? [recording] : []), ...others].sort((one, other) => (one.sid < other.sid ? 1 : -1)).slice(0, MOST_ITEMS);
    this.#show();
  }

  #show() {
    const { none, list, more } = this.#place;
    keyed(list, this.#recordings, each => each.sid, each => recordingItem(each, { withCall: true }));
    none.hidden = this.#recordings.length > 0;
    more.hidden = !this.#hasMore;
  }
}

const STATES = {
  'in-progress': ['recording', 'in-progress'],
  'paused': ['paused', 'ringing'],
  'stopped': ['being finished', 'ringing'],
  'processing': ['being finished', 'ringing'],
  'absent': ['nothing was heard', 'canceled'],
  'failed': ['failed', 'failed'],
};

const SOURCES = {
  'DialVerb': 'by <Dial>',
  'RecordVerb': 'by <Record>',
  'Conference': 'of a conference',
  'OutboundAPI': 'asked for with the call',
  'StartCallRecordingAPI': 'by the REST API',
};

/** withCall: whether to say of which call it is. */
export function recordingItem(recording, { withCall }) {
  const [state, kind] = STATES[recording.status] ?? [null, null];
  return make('li', { class: 'recording' },
    make('div', { class: 'title' },
      make('h3', {}, time(recording.started ?? recording.created)),
      state ? badge(state, kind) : null,
      make('span', { class: 'clock' }, recording.duration_s === null ? '' : lasting(recording.duration_s)),
      withCall ? make('a', { class: 'other', href: `#/calls/${recording.call_sid}` }, 'the call') : null),
    make('p', { class: 'hint' }, `${SOURCES[recording.source] ?? shown(recording.source)} · ${recording.channels === 2 ? 'two channels: the call’s own party above, the far end below' : 'one channel'}`),
    recording.has_sound ? player(recording) : null);
}

function player(recording) {
  const audio = make('audio', { controls: true, preload: 'none', src: urlOf(`recordings/${recording.sid}/sound`) });
  audio.setAttribute('aria-label', 'Player of this recording');
  return make('div', { class: 'player' }, wave(recording.sid, audio), audio);
}
