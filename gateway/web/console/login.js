// The form that asks who is there.

import { ask } from './api.js';

const element = id => document.getElementById(id);

/** onLogin: gets {account_sid, user}. */
export function prepareLogin(onLogin) {
  element('login').addEventListener('submit', async event => {
    event.preventDefault();
    const button = element('login-button');
    button.disabled = true;
    element('login-problem').textContent = '';
    try {
      const user = element('user').value.trim();
      const session = await ask('session', { method: 'POST', body: { user, secret: element('secret').value } });
      element('secret').value = '';
      onLogin(session);
    } catch (error) {
      element('login-problem').textContent = error.message;
      element('secret').select();
    } finally {
      button.disabled = false;
    }
  });
}

/** why: a sentence, or empty. */
export function showLogin(why = '') {
  element('login').hidden = false;
  element('login-problem').textContent = why;
  (element('user').value ? element('secret') : element('user')).focus();
}

export function hideLogin() {
  element('login').hidden = true;
}
