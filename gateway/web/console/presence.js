// Who can be called now, where, and since when.

import { ask } from './api.js';
import { empty, keyed, make, time } from './dom.js';
import { Page } from './page.js';
import { counted, shown } from './text.js';

export class DevicesPage extends Page {
  #place = {};

  enter(place) {
    document.title = 'Devices – Ringfork console';
    this.#place = {
      count: make('span', { class: 'count' }),
      none: empty('No device is registered.', 'Phones and browsers appear here as soon as they are signed in and can be called.'),
      list: make('ul', { class: 'devices' }),
    };
    const { count, none, list } = this.#place;
    none.hidden = true;
    place.append(make('section', { class: 'card', 'aria-labelledby': 'devices-title' },
      make('h2', { id: 'devices-title' }, 'Registered devices ', count), none, list));
    // Registrations are refreshed and expire without news of their own.
    this.every(30_000, () => this.readSoon(0));
  }

  async read() {
    const { devices } = await ask('presence', { signal: this.signal });
    const { count, none, list } = this.#place;
    const identities = [...grouped(devices)];
    count.textContent = devices.length ? String(devices.length) : '';
    none.hidden = devices.length > 0;
    keyed(list, identities.map(([key, own]) => ({ key, own })), ({ key }) => key, ({ own }) => item(own));
  }

  presence() {
    this.readSoon();
  }
}

/** By identity, in their order. */
function grouped(devices) {
  const groups = new Map();
  for (const device of devices) groups.set(device.identity, [...(groups.get(device.identity) ?? []), device]);
  return groups;
}

function item(devices) {
  return make('li', {},
    make('div', { class: 'title' },
      make('h3', {}, make('bdi', {}, shown(devices[0].identity))),
      devices.length > 1 ? make('span', { class: 'hint' }, counted(devices.length, 'device')) : null),
    make('ul', { class: 'rows' }, devices.map(device => make('li', { class: 'device' },
      make('span', { class: 'what' }, shown(device.protocol)),
      make('span', { class: 'mono' }, shown(device.address)),
      make('span', { class: 'hint agent' }, shown(device.agent)),
      make('span', { class: 'when' }, 'since ', time(device.since))))));
}
