// What happened in a call, in order: statuses, documents, verbs, webhooks, warnings.

import { badge, empty, keyed, make, time } from './dom.js';
import { nameOf, offset, shown, statusOf, took } from './text.js';

const STATUSES = new Set(['queued', 'initiated', 'ringing', 'in-progress', 'busy', 'no-answer', 'failed', 'canceled', 'completed']);

/** A warning or an error, with the place in the document that it is about. */
export function warningItem(line) {
  return make('li', { class: 'warning', 'data-level': line.level === 'error' ? 'error' : 'warning' },
    make('span', { class: 'level' }, line.level === 'error' ? 'Error' : 'Warning'),
    line.code ? make('span', { class: 'mono' }, ` ${line.code}`) : null,
    ' ', make('span', { class: 'words', dir: 'auto' }, shown(line.message)),
    placeOf(line));
}

/** The line of the document, and whose it is. */
function placeOf(line) {
  if (!line.url && !line.line) return null;
  const where = line.line ? `line ${line.line}${line.column ? `, column ${line.column}` : ''}` : '';
  return make('span', { class: 'place' }, ' ', where, where && line.url ? ' of ' : '', make('span', { class: 'mono' }, shown(line.url ?? '')));
}

export function timelinePart(part, story) {
  if (!part.firstChild) part.append(empty('Nothing has happened yet.'), make('ol', { class: 'timeline' }));
  const [none, list] = part.children;
  const lines = linesOf(story);
  none.hidden = lines.length > 0;
  keyed(list, lines, line => line.key, item);
}

/** Timeline and webhooks on one clock; a verb's end is put to its beginning. */
function linesOf(story) {
  const start = story.call.created;
  const lines = [];
  const begun = [];
  for (const [index, event] of story.timeline.entries()) {
    if (event.name === 'verb over') {
      const open = begun.findLastIndex(line => line.event.line === event.line && line.event.message === event.message && line.event.call_sid === event.call_sid);
      if (open >= 0) begun.splice(open, 1)[0].tookMs = event.details.took_ms;
      continue;
    }
    const line = { key: `event ${index}`, at: event.at, start, event, tookMs: null, isRunning: false, isOther: story.children.some(child => child.sid === event.call_sid), own: story.call.sid };
    lines.push(line);
    if (event.name === 'verb') begun.push(line);
  }
  for (const line of begun) line.isRunning = story.call.is_live;
  for (const [index, event] of story.webhooks.entries()) {
    const at = new Date(new Date(event.at) - event.details.took_ms).toISOString();
    lines.push({ key: `webhook ${index}`, at, start, event, tookMs: event.details.took_ms, isOther: story.children.some(child => child.sid === event.call_sid), own: story.call.sid });
  }
  return lines.map((line, index) => [line, index]).sort(([one, i], [other, j]) => new Date(one.at) - new Date(other.at) || i - j).map(([line]) => line);
}

function item(line) {
  const { event } = line;
  return make('li', { 'data-kind': kindOf(event), 'data-level': event.level },
    make('span', { class: 'at' }, time(line.at, { withMillis: true }), make('span', { class: 'offset' }, offset(line.at, line.start))),
    make('div', { class: 'happened' }, ...wordsOf(line),
      line.tookMs === null ? null : make('span', { class: 'took' }, took(line.tookMs)),
      line.isRunning ? badge('running', 'in-progress') : null,
      line.isOther ? make('a', { class: 'other', href: `#/calls/${event.call_sid}` }, 'child call') : null));
}

function kindOf({ name, level }) {
  if (level !== 'info') return 'problem';
  return name === 'verb' || name === 'webhook' || name === 'document' ? name : 'status';
}

function wordsOf({ event, own }) {
  const { name, message, details, url, code } = event;
  switch (name) {
    case 'call':
      return [make('strong', {}, 'Call begins'), hint(details.device ?? details.target)];
    case 'document':
      return [make('strong', {}, 'Document'), hint((details.verbs ?? []).map(verb => `<${verb}>`).join(' ') || 'without verbs'), mono(url)];
    case 'verb':
      return [make('strong', { class: 'mono' }, shown(message)), event.line && url ? hint(`line ${event.line}`) : null];
    case 'webhook':
      return [make('strong', {}, shown(details.method).slice(0, 8), ' '), mono(url),
        badge(code ? String(code) : String(details.status), code ? 'failed' : 'completed'), message ? hint(message) : null];
    case 'problem':
      return [make('strong', {}, event.level === 'error' ? 'Error' : event.level === 'info' ? 'Note' : 'Warning', code ? ` ${code}` : ''), hint(message), placeOf(event)];
    case 'bridged':
      return [make('strong', {}, 'Connected'), message === own ? null : make('a', { class: 'other', href: `#/calls/${message}` }, 'with this call')];
    case 'ended':
      return [make('strong', {}, 'Call ends'), hint(`${shown(message)}, by ${details.by_remote ? 'the far end' : 'the gateway'}`)];
    case 'answered':
      return [make('strong', {}, 'Answered')];
    case 'cut':
      return [make('strong', {}, 'Cut here'), hint(message)];
    default:
      if (details.child_sid) {
        return [make('strong', {}, nameOf(message)), badge(statusOf(name), name), details.cause ? hint(details.cause) : null,
          details.child_sid === own ? null : make('a', { class: 'other', href: `#/calls/${details.child_sid}` }, 'its story')];
      }
      return [STATUSES.has(name) ? make('strong', {}, 'Now ', statusOf(name)) : make('strong', {}, shown(name)), message ? hint(message) : null];
  }
}

function hint(text) {
  return text ? make('span', { class: 'hint', dir: 'auto' }, ' ', shown(text)) : null;
}

function mono(text) {
  return text ? make('span', { class: 'mono' }, shown(text)) : null;
}
