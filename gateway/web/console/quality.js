// What the sound of each leg was like: loss, jitter, delay, codec.

import { badge, empty, keyed, make, pairs } from './dom.js';
import { ms, percent, shown } from './text.js';

const KINDS = { 'sip': 'SIP', 'voice-sdk': 'browser (Voice SDK)', 'webrtc': 'browser' };

export function soundPart(part, story) {
  if (!part.firstChild) part.append(empty('No leg of this call had sound.'), make('ul', { class: 'legs-list' }));
  const [none, list] = part.children;
  none.hidden = story.legs.length > 0;
  keyed(list, story.legs, leg => leg.leg_id, item);
}

/** A word for what a listener would say. Source: ITU-T G.114 (delay), G.107 (loss), usual limits of VoIP monitors. */
function verdictOf({ loss_percent: loss, far_loss_percent: farLoss, jitter_ms: jitter, delay_ms: delay, received }) {
  if (!received) return ['no packet came', 'failed'];
  const worstLoss = Math.max(loss, farLoss ?? 0);
  if (worstLoss > 5 || (jitter ?? 0) > 60 || (delay ?? 0) > 600) return ['poor', 'failed'];
  if (worstLoss > 1 || (jitter ?? 0) > 30 || (delay ?? 0) > 300) return ['fair', 'ringing'];
  return ['good', 'completed'];
}

function item(leg) {
  const { quality } = leg;
  const verdict = quality ? verdictOf(quality) : null;
  return make('li', { class: 'leg' },
    make('div', { class: 'title' },
      make('h3', {}, make('bdi', {}, shown(leg.device ?? leg.target ?? 'unknown device'))),
      leg.is_live ? badge('running', 'in-progress') : null,
      verdict ? badge(verdict[0], verdict[1]) : null),
    quality ? figures(leg, quality) : make('p', { class: 'hint' }, leg.is_live ? 'Not answered yet.' : 'Was not answered, so there was no sound.'),
    make('details', {},
      make('summary', {}, 'Details of this leg'),
      pairs([
        ['Way', leg.direction === 'inbound' ? 'called us' : 'was called'],
        ['Kind', KINDS[leg.kind] ?? leg.kind],
        ['Target', leg.target],
        ['Address', leg.remote_address],
        ['Call-ID', leg.sip_call_id],
        ['Ended because', leg.cause],
        ['SIP status', leg.sip_status],
        ...(quality ? packets(quality) : []),
      ])));
}

function figures(leg, quality) {
  return make('dl', { class: 'figures' },
    figure('Loss', percent(quality.loss_percent), quality.far_loss_percent === null ? null : `${percent(quality.far_loss_percent)} at the phone`),
    figure('Jitter', ms(quality.jitter_ms), quality.far_jitter_ms === null ? null : `${ms(quality.far_jitter_ms)} at the phone`),
    figure('Delay', ms(quality.delay_ms), quality.delay_ms === null ? 'the phone sent no reports' : 'there and back'),
    figure('Codec', shown(leg.codec ?? '–'), null));
}

function figure(name, value, note) {
  return make('div', {}, make('dt', {}, name), make('dd', {}, make('strong', {}, value), note ? make('span', { class: 'hint' }, note) : null));
}

function packets(quality) {
  return [
    ['Packets received', quality.received],
    ['Packets sent', quality.sent],
    ['Lost', quality.lost],
    ['Too late', quality.late],
    ['Out of order', quality.reordered],
    ['Twice', quality.duplicates],
    ['Frames made up', quality.concealed],
    ['Refused (foreign, forged, malformed)', quality.dropped],
  ];
}
