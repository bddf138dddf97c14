// Puts the console together: who is logged in, which page is open, and what comes in live.

import { ask } from './api.js';
import { CallPage } from './call.js';
import { CallsPage } from './calls.js';
import { make } from './dom.js';
import { Live } from './live.js';
import { hideLogin, prepareLogin, showLogin } from './login.js';
import { DevicesPage } from './presence.js';
import { RecordingsPage } from './recordings.js';

const element = id => document.getElementById(id);
const live = new Live();
let page = null;
let isLoggedIn = false;

const ROUTES = [
  [/^#\/calls\/(CA[0-9a-fA-F]{32})(?:\/([a-z]+))?$/, (sid, part) => new CallPage(sid, part ?? 'timeline'), '#/calls'],
  [/^#\/calls$/, () => new CallsPage(), '#/calls'],
  [/^#\/recordings$/, () => new RecordingsPage(), '#/recordings'],
  [/^#\/devices$/, () => new DevicesPage(), '#/devices'],
];

function showState(state, text) {
  element('state').dataset.state = state;
  element('state-text').textContent = text;
}

/** null: there is none any more. */
function showProblem(text) {
  element('problem').hidden = !text;
  element('problem-text').textContent = text ?? '';
}

/** Runs what a page reads; what fails is shown. */
async function attempt(work) {
  try {
    await work();
    showProblem(null);
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (error.needsLogin) loggedOut(isLoggedIn ? error.message : '');
    else showProblem(error.message);
  }
}

function loggedIn() {
  isLoggedIn = true;
  hideLogin();
  for (const id of ['pages', 'session', 'page']) element(id).hidden = false;
  route();
  if (document.activeElement === document.body) element('main').focus();
}

function loggedOut(why = '') {
  isLoggedIn = false;
  live.close();
  page?.leave();
  page = null;
  for (const id of ['pages', 'session', 'page']) element(id).hidden = true;
  element('page').replaceChildren();
  document.title = 'Ringfork console';
  showProblem(null);
  showLogin(why);
}

/** Opens the page of the address. */
function route() {
  if (!isLoggedIn) return;
  const hash = location.hash || '#/calls';
  const found = ROUTES.map(([pattern, open, tab]) => [pattern.exec(hash), open, tab]).find(([match]) => match);
  if (!found) {
    location.replace('#/calls');
    return;
  }
  const [match, open, tab] = found;
  for (const link of element('pages').children) {
    if (link.getAttribute('href') === tab) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (page?.takes(...match.slice(1))) return;
  page?.leave();
  page = open(...match.slice(1));
  const place = make('div', { class: 'stack' });
  element('page').replaceChildren(place);
  page.attempt = attempt;
  page.enter(place);
  window.scrollTo(0, 0);
  showState('busy', 'Connecting…');
  live.open(page.callSid ?? null);
}

live.addEventListener('ready', () => {
  showState('ready', 'Live');
  attempt(() => page?.read());
});
live.addEventListener('lost', () => showState('busy', 'Reconnecting…'));
live.addEventListener('refused', () => loggedOut('Your session is over.'));
for (const kind of ['call', 'recording', 'story', 'presence']) {
  live.addEventListener(kind, ({ detail }) => page?.[kind]?.(detail));
}

element('problem-dismiss').addEventListener('click', () => showProblem(null));
element('log-out').addEventListener('click', () =>
  attempt(async () => {
    await ask('session', { method: 'DELETE' });
    loggedOut();
  }),
);
element('skip').addEventListener('click', event => {
  event.preventDefault();
  element('main').focus();
});
window.addEventListener('hashchange', route);
prepareLogin(loggedIn);
attempt(async () => {
  const session = await ask('session');
  if (session.user) loggedIn();
  else loggedOut();
});
