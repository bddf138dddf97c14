// The page of one call: what it is, and its story in parts.

import { ask, urlOf } from './api.js';
import { row, tickClocks } from './calls.js';
import { badge, empty, keyed, make, pairs, time } from './dom.js';
import { messagesPart } from './ladder.js';
import { Page } from './page.js';
import { soundPart } from './quality.js';
import { recordingItem } from './recordings.js';
import { directionOf, lasting, nameOf, shown, statusOf } from './text.js';
import { timelinePart, warningItem } from './timeline.js';
import { webhooksPart } from './webhooks.js';

const PARTS = {
  timeline: ['Timeline', () => 0, timelinePart],
  webhooks: ['Webhooks', story => story.webhooks.length, webhooksPart],
  sip: ['SIP', story => story.messages.length, messagesPart],
  sound: ['Sound', story => story.legs.length, soundPart],
  recordings: ['Recordings', story => story.recordings.length, recordingsPart],
  calls: ['Calls', story => story.children.length + (story.call.parent_sid ? 1 : 0), callsPart],
};

export class CallPage extends Page {
  #part;
  #story = null;
  #place = {};

  constructor(sid, part) {
    super();
    this.callSid = sid;
    this.#part = PARTS[part] ? part : 'timeline';
  }

  takes(sid, part = 'timeline') {
    if (sid !== this.callSid) return false;
    this.#part = PARTS[part] ? part : 'timeline';
    if (this.#story) this.#show();
    return true;
  }

  enter(place) {
    document.title = 'Call – Ringfork console';
    this.#place = {
      head: make('section', { class: 'card facts', 'aria-label': 'The call' }),
      warnings: make('ul', { class: 'warnings', 'aria-label': 'Warnings and errors' }),
      tabs: make('nav', { class: 'parts', 'aria-label': 'Parts of the story' }),
      cut: make('p', { class: 'warning' }, 'This story is very long: its beginning is shown.'),
      part: make('section', { class: 'card part' }),
    };
    const { head, cut, warnings, tabs, part } = this.#place;
    cut.hidden = warnings.hidden = tabs.hidden = part.hidden = true;
    head.append(make('p', { class: 'hint' }, 'Reading the story of this call…'));
    place.append(make('p', { class: 'back' }, make('a', { href: '#/calls' }, '← All calls')), head, cut, warnings, tabs, part);
    this.every(1000, () => tickClocks(head));
    // The sound of a call that runs changes without news.
    this.every(3000, () => {
      if (this.#part === 'sound' && this.#story?.legs.some(leg => leg.is_live)) this.readSoon(0);
    });
  }

  async read() {
    try {
      this.#story = await ask(`calls/${this.callSid}`, { signal: this.signal });
    } catch (error) {
      if (error.status !== 404) throw error;
      this.#place.head.replaceChildren(empty('There is no such call.', 'It may have been deleted, or belongs to another account.'));
      return;
    }
    this.#show();
  }

  story() {
    this.readSoon();
  }

  #show() {
    const story = this.#story;
    const { head, cut, warnings, tabs, part } = this.#place;
    document.title = `${nameOf(story.call.from)} → ${nameOf(story.call.to)} – Ringfork console`;
    keyed(head, [story.call], call => call.sid, call => headOf(call));
    tickClocks(head);
    cut.hidden = story.is_whole;
    keyed(warnings, story.warnings.map((line, index) => ({ ...line, index })), line => line.index, warningItem);
    warnings.hidden = story.warnings.length === 0;
    tabs.hidden = part.hidden = false;
    const links = Object.entries(PARTS).map(([name, [title, count]]) => ({ name, title, count: count(story), isHere: name === this.#part }));
    keyed(tabs, links, link => link.name, link => tab(this.callSid, link));
    const [title, , fill] = PARTS[this.#part];
    part.setAttribute('aria-label', title);
    if (part.dataset.part !== this.#part) {
      part.dataset.part = this.#part;
      part.replaceChildren();
    }
    fill(part, story);
  }
}

function headOf(call) {
  const since = call.answered ?? call.created;
  return make('div', { class: 'stack' },
    make('div', { class: 'title' },
      make('h2', { class: 'name' },
        make('bdi', {}, nameOf(call.from)), make('span', { class: 'arrow', 'aria-label': 'to' }, ' → '), make('bdi', {}, nameOf(call.to))),
      badge(statusOf(call.status), call.status),
      call.is_live
        ? make('span', { class: 'clock big', 'data-since': since }, '')
        : make('span', { class: 'clock big' }, call.duration_s === null ? '' : lasting(call.duration_s))),
    pairs([
      ['Direction', directionOf(call.direction)],
      ['Began', time(call.created)],
      ['Answered', call.answered ? time(call.answered) : call.is_live ? 'not yet' : 'never'],
      ['Ended', call.ended ? time(call.ended) : null],
      ['SIP status', call.sip_status],
      ['Answered by', call.answered_by],
      ['Caller’s name', call.caller_name],
      ['Forwarded from', call.forwarded_from],
      ['SID', make('span', { class: 'mono' }, shown(call.sid))],
    ]),
    make('p', {}, make('a', { class: 'button', href: urlOf(`calls/${call.sid}/download`), download: `${call.sid}.json` }, 'Download the story (JSON)')));
}

function tab(sid, { name, title, count, isHere }) {
  return make('a', { href: `#/calls/${sid}/${name}`, 'aria-current': isHere ? 'true' : null },
    title, count ? make('span', { class: 'count' }, String(count)) : null);
}

function listIn(part, none, className = 'rows') {
  if (!part.firstChild) part.append(none, make('ul', { class: className }));
  return [part.children[0], part.children[1]];
}

function recordingsPart(part, story) {
  const [none, list] = listIn(part, empty('Nothing of this call was recorded.'), 'recordings');
  none.hidden = story.recordings.length > 0;
  keyed(list, story.recordings, recording => recording.sid, recording => recordingItem(recording, { withCall: recording.call_sid !== story.call.sid }));
}

function callsPart(part, story) {
  const [none, list] = listIn(part, empty('This call began no other, and none began it.'));
  const parent = story.parent ? [story.parent] : [];
  const calls = [...parent, ...story.children];
  none.hidden = calls.length > 0;
  keyed(list, calls, call => call.sid, row);
  tickClocks(list);
}
