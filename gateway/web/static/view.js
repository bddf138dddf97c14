// What the page shows. Only text is ever put in, never markup: names and parameters are written by strangers.

import { nameOf, shown } from './parameters.js';

const KEYS = [
  ['1', ''], ['2', 'ABC'], ['3', 'DEF'], ['4', 'GHI'], ['5', 'JKL'], ['6', 'MNO'],
  ['7', 'PQRS'], ['8', 'TUV'], ['9', 'WXYZ'], ['*', ''], ['0', '+'], ['#', ''],
];
const SPOKEN = { '*': 'star', '#': 'hash' };
const MOST_EVENTS = 50;
const STATE_TEXTS = {
  asking: 'Waiting for the microphone…',
  calling: 'Calling…',
  ringing: 'Ringing…',
  connecting: 'Connecting the sound…',
  open: 'Connected',
  recovering: 'The sound is lost, trying to get it back…',
};

export const element = id => document.getElementById(id);

export function showState({ state, text }) {
  element('state').dataset.state = state;
  element('state-text').textContent = text;
}

/** null: there is none any more. */
export function showProblem(problem) {
  element('problem').hidden = !problem;
  element('problem-title').textContent = problem?.title ?? '';
  element('problem-advice').textContent = problem?.advice ?? '';
}

export function addNote(text) {
  const item = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  item.append(time, shown(text));
  const list = element('events');
  list.prepend(item);
  while (list.children.length > MOST_EVENTS) list.lastChild.remove();
}

/** Sign-in or softphone, as the phone is. */
export function showSignedIn(identity) {
  const isSignedIn = identity !== null;
  element('sign-in').hidden = isSignedIn;
  element('me').hidden = !identity;
  element('me-identity').textContent = shown(identity ?? '');
  if (!isSignedIn) for (const id of ['dial', 'keypad', 'call']) element(id).hidden = true;
}

/** The call that is up, or the dialler. */
export function showCall(call) {
  element('call').hidden = !call;
  element('dial').hidden = Boolean(call);
  element('keypad').hidden = false;
  if (!call) return;
  element('call-peer').firstElementChild.textContent = nameOf(call.peer);
  element('call-state').textContent = STATE_TEXTS[call.state] ?? '';
  element('mute').setAttribute('aria-pressed', String(call.isMuted));
  element('mute').textContent = call.isMuted ? 'Unmute' : 'Mute';
  const details = element('call-parameters');
  details.hidden = call.parameters.length === 0;
  fillList(details.querySelector('dl'), call.parameters);
}

export function showTimer(openedAt) {
  const seconds = openedAt ? Math.floor((Date.now() - openedAt) / 1000) : 0;
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  if (seconds >= 3600) parts.unshift(Math.floor(seconds / 3600));
  element('call-timer').textContent = parts.map(part => String(part).padStart(2, '0')).join(':');
}

/** level: 0 to 1. */
export function showLevel(id, level) {
  const meter = element(id);
  meter.firstElementChild.style.transform = `scaleX(${level.toFixed(3)})`;
  meter.setAttribute('aria-valuenow', String(Math.round(level * 100)));
}

/** One card for each call that rings. onAccept, onReject: get the call. */
export function showRinging(calls, { onAccept, onReject }) {
  const place = element('incoming');
  const cards = new Map([...place.children].map(card => [card.dataset.sid, card]));
  for (const call of calls) {
    if (cards.delete(call.sid)) continue;
    const card = element('incoming-template').content.cloneNode(true).firstElementChild;
    card.dataset.sid = call.sid;
    card.setAttribute('aria-label', `Incoming call from ${nameOf(call.peer)}`);
    card.querySelector('bdi').textContent = nameOf(call.peer);
    fillList(card.querySelector('dl'), call.parameters);
    const [accept, reject] = card.querySelectorAll('button');
    accept.addEventListener('click', () => onAccept(call, accept));
    reject.addEventListener('click', () => onReject(call));
    place.append(card);
  }
  for (const card of cards.values()) card.remove();
  document.title = calls.length ? `☎ ${nameOf(calls[0].peer)} is calling` : 'Ringfork softphone';
}

function fillList(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([name, value]) => {
      const term = document.createElement('dt');
      const text = document.createElement('dd');
      term.textContent = shown(name);
      text.textContent = shown(value);
      text.dir = 'auto';
      return [term, text];
    }),
  );
}

/** onKey: gets the key that was pressed. */
export function makeKeypad(onKey) {
  const keypad = element('keypad');
  for (const [key, letters] of KEYS) {
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-label', SPOKEN[key] ?? key);
    const small = document.createElement('small');
    small.textContent = letters;
    small.setAttribute('aria-hidden', 'true');
    button.append(key, small);
    button.addEventListener('click', () => onKey(key));
    keypad.append(button);
  }
}

export function addParameterRow() {
  const row = element('parameter-template').content.cloneNode(true).firstElementChild;
  row.querySelector('button').addEventListener('click', () => {
    row.remove();
    element('add-parameter').focus();
  });
  element('parameter-rows').append(row);
  row.querySelector('input').focus();
}

/** [name, value] pairs; rows without a name count for nothing. */
export function parameterRows() {
  return [...element('parameter-rows').children]
    .map(row => [row.querySelector('.parameter-name').value.trim(), row.querySelector('.parameter-value').value])
    .filter(([name]) => name);
}

export function showDevices({ microphones, speakers }, { microphone, speaker, canChooseSpeaker }) {
  fillDevices(element('microphone'), microphones, microphone);
  fillDevices(element('speaker'), speakers, speaker);
  element('speaker').disabled = !canChooseSpeaker;
  const hints = [];
  if (microphones.length === 0) hints.push('Devices are listed once the microphone is allowed.');
  if (!canChooseSpeaker) hints.push('This browser plays on the system’s speaker only.');
  element('sound-hint').textContent = hints.join(' ');
  element('allow-microphone').hidden = microphones.length > 0;
}

function fillDevices(select, devices, chosen) {
  const options = [new Option('Chosen by the system', '')];
  for (const device of devices) {
    if (device.deviceId !== 'default') options.push(new Option(device.label || 'Unnamed device', device.deviceId));
  }
  select.replaceChildren(...options);
  select.value = devices.some(device => device.deviceId === chosen) ? chosen : '';
}
