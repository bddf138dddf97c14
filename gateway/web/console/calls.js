// The list of calls: those that run, with their clocks, and those that are over.

import { ask } from './api.js';
import { badge, empty, keyed, make, time } from './dom.js';
import { Page } from './page.js';
import { counted, directionOf, lasting, nameOf, shown, statusOf } from './text.js';

const MOST_ROWS = 500;

export class CallsPage extends Page {
  #running = new Map();
  #legs = new Map();
  #earlier = [];
  #hasMore = false;
  #unseen = 0;
  #place = {};

  enter(place) {
    document.title = 'Calls – Ringfork console';
    this.#place = {
      count: make('span', { class: 'count' }),
      running: make('ul', { class: 'rows' }),
      earlier: make('ul', { class: 'rows' }),
      noneRunning: empty('No call is running.', 'A call appears here the moment it comes in or is placed.'),
      noneEarlier: empty('No call has ended yet.', 'Calls stay here with their story after they are over.'),
      unseen: make('p', { class: 'hint' }),
      more: make('button', { type: 'button', hidden: true, click: () => this.attempt(() => this.#older()) }, 'Show older calls'),
    };
    const { count, running, earlier, noneRunning, noneEarlier, unseen, more } = this.#place;
    noneRunning.hidden = noneEarlier.hidden = true;
    place.append(
      make('section', { class: 'card', 'aria-labelledby': 'running-title' },
        make('h2', { id: 'running-title' }, 'Running now ', count), noneRunning, running, unseen),
      make('section', { class: 'card', 'aria-labelledby': 'earlier-title' },
        make('h2', { id: 'earlier-title' }, 'Earlier'), noneEarlier, earlier, more),
    );
    this.every(1000, () => this.#tick());
  }

  async read() {
    const { signal } = this;
    const [running, page] = await Promise.all([ask('calls/running', { signal }), ask('calls', { signal })]);
    this.#running = new Map(running.calls.map(call => [call.sid, call]));
    this.#unseen = running.count - running.calls.length;
    this.#noteLegs(running.legs);
    const known = new Set(page.calls.map(call => call.sid));
    const older = page.has_more && this.#earlier.some(call => known.has(call.sid))
      ? this.#earlier.filter(call => !known.has(call.sid) && call.sid < page.calls.at(-1).sid)
      : [];
    if (!older.length) this.#hasMore = page.has_more;
    this.#earlier = [...page.calls.filter(call => !call.is_live), ...older];
    this.#show();
  }

  async #older() {
    const last = this.#earlier.at(-1);
    const page = await ask(`calls?after=${last.sid}`, { signal: this.signal });
    this.#earlier.push(...page.calls.filter(call => !call.is_live));
    this.#hasMore = page.has_more && this.#earlier.length < MOST_ROWS;
    this.#show();
  }

  call(call) {
    if (call.is_live) {
      this.#running.set(call.sid, call);
    } else {
      this.#running.delete(call.sid);
      this.#legs.delete(call.sid);
      this.#earlier = [call, ...this.#earlier.filter(each => each.sid !== call.sid)]
        .sort((one, other) => (one.sid < other.sid ? 1 : -1))
        .slice(0, MOST_ROWS);
    }
    this.#show();
    this.#legsSoon();
  }

  #waiting = 0;
  #legsSoon() {
    if (this.#waiting) return;
    this.#waiting = setTimeout(() => {
      this.#waiting = 0;
      if (!this.signal.aborted) this.attempt(() => this.#readLegs());
    }, 600);
  }

  async #readLegs() {
    const { calls, count, legs } = await ask('calls/running', { signal: this.signal });
    this.#unseen = count - calls.length;
    this.#noteLegs(legs);
    this.#show();
  }

  #noteLegs(legs) {
    this.#legs = new Map();
    for (const leg of legs) this.#legs.set(leg.call_sid, [...(this.#legs.get(leg.call_sid) ?? []), leg]);
  }

  #show() {
    const { count, running, earlier, noneRunning, noneEarlier, unseen, more } = this.#place;
    const live = [...this.#running.values()].sort((one, other) => (one.sid < other.sid ? 1 : -1));
    const rows = live.map(call => ({ ...call, legs: (this.#legs.get(call.sid) ?? []).map(legText) }));
    count.textContent = live.length ? String(live.length + this.#unseen) : '';
    unseen.textContent = this.#unseen ? `and ${this.#unseen} older ones that are not shown` : '';
    keyed(running, families(rows), call => call.sid, row);
    keyed(earlier, families(this.#earlier), call => call.sid, row);
    noneRunning.hidden = live.length > 0;
    noneEarlier.hidden = this.#earlier.length > 0;
    more.hidden = !this.#hasMore || !this.#earlier.length;
    this.#tick();
  }

  #tick() {
    tickClocks(this.#place.running);
  }
}

/** Every clock in a place, on. */
export function tickClocks(place) {
  for (const clock of place.querySelectorAll('[data-since]')) {
    clock.textContent = lasting((Date.now() - new Date(clock.dataset.since)) / 1000);
  }
}

/** Calls that a call began stand below it, if it is in the list too. */
function families(calls) {
  const known = new Set(calls.map(call => call.sid));
  const children = grouped(calls);
  return calls
    .filter(call => !known.has(call.parent_sid))
    .flatMap(call => [call, ...(children.get(call.sid) ?? []).reverse().map(child => ({ ...child, isChild: true }))]);
}

function grouped(calls) {
  const groups = new Map();
  for (const call of calls) groups.set(call.parent_sid, [...(groups.get(call.parent_sid) ?? []), call]);
  return groups;
}

function legText(leg) {
  const device = shown(leg.device ?? leg.target ?? '');
  const state = leg.state === 'up' ? (leg.codec ? shown(leg.codec) : 'up') : shown(leg.state);
  return `${device} · ${state}`;
}

/** One call of a list, as a link to its page. */
export function row(call) {
  const since = call.answered ?? call.created;
  const duration = call.is_live
    ? make('span', { class: 'clock', 'data-since': since }, '')
    : make('span', { class: 'clock' }, call.duration_s === null ? '–' : lasting(call.duration_s));
  return make('li', { class: call.isChild ? 'child' : null },
    make('a', { class: 'row-link', href: `#/calls/${call.sid}` },
      make('span', { class: 'who' },
        make('bdi', {}, nameOf(call.from)), make('span', { class: 'arrow', 'aria-label': 'to' }, ' → '), make('bdi', {}, nameOf(call.to))),
      make('span', { class: 'what' }, directionOf(call.direction),
        call.legs?.length ? make('span', { class: 'legs' }, ` · ${counted(call.legs.length, 'leg')}: ${call.legs.join(', ')}`) : null),
      badge(statusOf(call.status), call.status),
      make('span', { class: 'when' }, time(call.created)),
      duration));
}
