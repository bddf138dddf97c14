// Puts the softphone together: the phone, the sound, and the page they are seen on.

import { Account } from './account.js';
import { Audio } from './audio.js';
import { Phone } from './phone.js';
import { Problem } from './problems.js';
import * as view from './view.js';

const IDENTITY_KEY = 'ringfork.identity';
const { element } = view;
const audio = new Audio(element('far-sound'));
const phone = new Phone(audio);
let isMetering = false;

/** Runs what a click started; what fails is shown. */
async function attempt(work) {
  try {
    view.showProblem(null);
    await work();
  } catch (error) {
    view.showProblem(error instanceof Problem ? error : new Problem('Something went wrong.', error.message));
    if (error.needsLogin) chooseMethod('credentials');
  }
}

// The phone tells

phone.addEventListener('state', ({ detail }) => {
  view.showState(detail);
  view.showSignedIn(phone.isSignedIn ? phone.identity : null);
  if (phone.isSignedIn) view.showCall(phone.current);
});
phone.addEventListener('problem', ({ detail }) => view.showProblem(detail));
phone.addEventListener('note', ({ detail }) => view.addNote(detail));
phone.addEventListener('calls', () => {
  const { current, ringing } = phone;
  const wasUp = !element('call').hidden;
  if (phone.isSignedIn) view.showCall(current);
  view.showRinging(ringing, { onAccept: accept, onReject: call => call.reject() });
  if (current && !wasUp) element('hang-up').focus();
  if (!current && wasUp && phone.isSignedIn) element('to').focus();
  sound();
  if (current && !isMetering) meter();
});

/** What the phone itself sounds like now. */
function sound() {
  const { current, ringing } = phone;
  const isCalled = ringing.length > 0 && !current;
  const isWaiting = Boolean(current && !current.isIncoming && current.state === 'ringing' && !element('far-sound').srcObject);
  const wanted = isCalled ? 'ring' : isWaiting ? 'ringback' : 'quiet';
  if (wanted === document.body.dataset.sound) return;
  document.body.dataset.sound = wanted;
  audio[wanted]();
}

function meter() {
  const call = phone.current;
  isMetering = Boolean(call);
  const { mine, theirs } = audio.levels();
  view.showLevel('mine', call && !call.isMuted ? mine : 0);
  view.showLevel('theirs', call ? theirs : 0);
  view.showTimer(call?.openedAt ?? 0);
  if (call) setTimeout(() => requestAnimationFrame(meter), 60);
}

// The user does

function chooseMethod(method) {
  element('method').value = method;
  const isToken = method === 'token';
  element('credentials-fields').hidden = method !== 'credentials';
  element('token-fields').hidden = !isToken;
  // A token says itself whose it is.
  element('identity-field').hidden = isToken;
  element('identity').required = !isToken;
  for (const id of ['user', 'secret']) element(id).required = method === 'credentials';
  element('token').required = isToken;
}

element('method').addEventListener('change', event => chooseMethod(event.target.value));

element('sign-in').addEventListener('submit', event => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  const identity = fields.identity.trim();
  audio.wake();
  void attempt(async () => {
    element('sign-in-button').disabled = true;
    try {
      await phone.signIn(new Account({ ...fields, identity }));
    } finally {
      element('sign-in-button').disabled = false;
    }
    sessionStorage.setItem(IDENTITY_KEY, identity);
    element('secret').value = element('token').value = '';
    element('to').focus();
  });
});

element('sign-out').addEventListener('click', () => {
  phone.signOut();
  view.showProblem(null);
  element('identity').focus();
});

element('dial').addEventListener('submit', event => {
  event.preventDefault();
  const to = element('to').value.trim();
  if (to) void attempt(() => phone.call(to, view.parameterRows()));
});

function accept(call, button) {
  audio.wake();
  button.disabled = true;
  void attempt(() => phone.accept(call)).finally(() => {
    button.disabled = false;
  });
}

element('hang-up').addEventListener('click', () => phone.current?.hangUp());
element('mute').addEventListener('click', () => phone.current?.setMuted(!phone.current.isMuted));
element('problem-dismiss').addEventListener('click', () => view.showProblem(null));
element('add-parameter').addEventListener('click', () => view.addParameterRow());

view.makeKeypad(key => {
  audio.keyTone(key);
  const call = phone.current;
  if (call) call.press(key);
  else element('to').value += key;
});
// Digits typed while a button has the focus are keys too; in a field they are text.
document.addEventListener('keydown', event => {
  const isTyped = event.target.closest?.('input, textarea, select');
  if (isTyped || event.ctrlKey || event.metaKey || event.altKey || !phone.current) return;
  if (/^[0-9*#]$/.test(event.key)) {
    audio.keyTone(event.key);
    phone.current.press(event.key);
  }
});

async function showDevices() {
  view.showDevices(await audio.devices(), audio);
}
audio.addEventListener('devices', () => void showDevices());
element('microphone').addEventListener('change', event => void attempt(() => audio.chooseMicrophone(event.target.value)));
element('speaker').addEventListener('change', event => void attempt(() => audio.chooseSpeaker(event.target.value)));
element('allow-microphone').addEventListener('click', () =>
  void attempt(async () => {
    await audio.open();
    await showDevices();
    audio.release();
  }),
);

// Calls that are up or ring are ended properly when the page goes.
globalThis.addEventListener('pagehide', () => phone.signOut());

const asked = new URLSearchParams(location.search);
element('identity').value = asked.get('identity') ?? sessionStorage.getItem(IDENTITY_KEY) ?? '';
element('to').value = asked.get('to') ?? '';
chooseMethod('local');
void showDevices();
