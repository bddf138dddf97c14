// Every request to the application, with what it said and what came back.

import { badge, code, empty, keyed, make, pairs, time } from './dom.js';
import { block, shown, took } from './text.js';

export function webhooksPart(part, story) {
  if (!part.firstChild) {
    part.append(
      story.is_kept.webhooks
        ? empty('The application was asked nothing.', 'A call without a voice URL is answered by the built-in application.')
        : empty('Webhooks are not kept.', 'keep_webhooks in the section [console] of the configuration switches that on.'),
      make('ul', { class: 'exchanges' }));
  }
  const [none, list] = part.children;
  none.hidden = story.webhooks.length > 0;
  keyed(list, story.webhooks.map((line, index) => ({ ...line, index })), line => line.index, item);
}

function item(line) {
  const { details } = line;
  const isBad = Boolean(line.code);
  return make('li', {},
    make('details', {},
      make('summary', {},
        make('span', { class: 'at' }, time(line.at, { withMillis: true })),
        make('span', { class: 'method' }, shown(details.method).slice(0, 8)),
        make('span', { class: 'mono url' }, shown(line.url)),
        badge(details.status ? String(details.status) : `error ${line.code}`, isBad ? 'failed' : 'completed'),
        make('span', { class: 'took' }, took(details.took_ms))),
      make('div', { class: 'exchange' },
        isBad ? make('p', { class: 'bad', dir: 'auto' }, `${line.code} ${shown(line.message)}`) : null,
        details.final_url ? pairs([['Answered by', details.final_url]]) : null,
        make('h3', {}, 'Request'),
        details.params.length ? pairs(details.params) : make('p', { class: 'hint' }, 'without parameters'),
        make('h3', {}, 'Answer'),
        answerOf(details))));
}

function answerOf(details) {
  if (details.octets === undefined) return make('p', { class: 'hint' }, 'There was none that could be used.');
  const kind = `${shown(details.content_type) || 'no content type'}, ${details.octets} octets`;
  return make('div', { class: 'stack' },
    make('p', { class: 'hint' }, details.is_whole ? kind : `${kind}, of which the beginning is kept`),
    details.body ? code(block(details.body), 'the answer') : null);
}
