// SIP messages as a ladder: us in one column, every other party in one of its own, an arrow for each message.

import { code, empty, keyed, make, time } from './dom.js';
import { block, offset, shown } from './text.js';

const MOST_PARTIES = 8;

export function messagesPart(part, story) {
  if (!part.firstChild) {
    part.append(
      story.is_kept.sip
        ? empty('No SIP message belongs to this call.', 'Browsers with the Voice SDK speak JSON over a WebSocket instead.')
        : empty('SIP messages are not kept.', 'keep_sip in the section [console] of the configuration switches that on.'),
      make('div', { class: 'ladder' }, make('div', { class: 'parties', 'aria-hidden': 'true' }), make('ol', { class: 'messages' })));
  }
  const [none, ladder] = part.children;
  const [heads, list] = ladder.children;
  none.hidden = story.messages.length > 0;
  ladder.hidden = !none.hidden;
  const parties = partiesOf(story.messages);
  const columns = parties.slice(0, MOST_PARTIES);
  ladder.style.setProperty('--columns', columns.length);
  keyed(heads, columns.map((name, index) => ({ name, index })), party => party.index, party => head(party));
  // The INVITE comes before there is a call.
  const start = [story.call.created, ...story.messages.map(line => line.at)].sort()[0];
  const lines = story.messages.map((line, index) => ({
    ...line,
    index,
    start,
    us: columns.indexOf(US),
    them: Math.max(0, columns.includes(line.details.peer) ? columns.indexOf(line.details.peer) : columns.length - 1),
  }));
  keyed(list, lines, line => line.index, message);
}

const US = 'Ringfork';

/** The caller to the left of us, everybody else to the right, in the order they came in. */
function partiesOf(messages) {
  const peers = [...new Set(messages.map(line => line.details.peer))];
  return [...peers.slice(0, 1), US, ...peers.slice(1)];
}

function head({ name, index }) {
  const party = make('span', { class: 'party' }, name === US ? US : peerOf(name));
  party.style.gridColumn = String(index + 1);
  return party;
}

function peerOf(peer) {
  return shown(peer).replace(/^(\w+):/, '$1 ');
}

function message(line) {
  const { is_sent: isSent, peer, text, is_whole: isWhole } = line.details;
  const [from, to] = isSent ? [line.us, line.them] : [line.them, line.us];
  const arrow = make('span', { class: 'arrow-line', 'data-way': to > from ? 'right' : 'left', 'data-kind': kindOf(line.message) },
    make('span', { class: 'label' }, labelOf(line.message)));
  arrow.style.gridColumn = `${Math.min(from, to) + 1} / ${Math.max(from, to) + 2}`;
  // The arrow goes from the middle of one column to the middle of the other.
  arrow.style.setProperty('--span', Math.abs(to - from) + 1);
  const spoken = isSent ? `sent to ${peerOf(peer)}` : `received from ${peerOf(peer)}`;
  return make('li', {},
    make('details', {},
      make('summary', {},
        make('span', { class: 'at' }, time(line.at, { withMillis: true }), make('span', { class: 'offset' }, offset(line.at, line.start))),
        make('span', { class: 'rungs' }, arrow),
        make('span', { class: 'way' }, `${isSent ? '→' : '←'} ${peerOf(peer)}`),
        make('span', { class: 'spoken' }, spoken)),
      make('div', { class: 'exchange' },
        code(block(text), `the message ${spoken}`),
        isWhole ? null : make('p', { class: 'hint' }, 'Of this message the beginning is kept.'))));
}

/** `INVITE` of a request, `180 Ringing` of a response. */
function labelOf(start) {
  const response = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(start);
  return response ? shown(`${response[1]} ${response[2]}`) : shown(start.split(' ', 1)[0]);
}

function kindOf(start) {
  const code = /^SIP\/2\.0 (\d)/.exec(start)?.[1];
  if (!code) return 'request';
  return code === '1' ? 'provisional' : code === '2' ? 'success' : 'failure';
}
