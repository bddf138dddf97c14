// Where access tokens come from: the gateway itself, by this machine's or an account's right, or somebody's clipboard.

import { Problem } from './problems.js';

export class Account {
  #identity;
  #method;
  #user;
  #secret;
  #token;

  /** method: "local" (development mode), "credentials" or "token". */
  constructor({ identity, method, user = '', secret = '', token = '' }) {
    this.#identity = identity;
    this.#method = method;
    this.#user = user;
    this.#secret = secret;
    this.#token = token.replace(/\s+/g, '');
  }

  /** Empty for a token, which says itself whose it is. */
  get identity() {
    return this.#method === 'token' ? '' : this.#identity;
  }

  /** Whether `token` gives a new one each time. */
  get isRenewable() {
    return this.#method !== 'token';
  }

  async token() {
    if (!this.isRenewable) return this.#token;
    const headers = {};
    if (this.#method === 'credentials') headers.Authorization = `Basic ${basic(this.#user, this.#secret)}`;
    const body = new URLSearchParams({ identity: this.#identity });
    let response;
    try {
      response = await fetch(new URL('token', document.baseURI), { method: 'POST', body, headers, credentials: 'omit' });
    } catch {
      throw new Problem('The gateway cannot be reached.', `Nothing answers at ${location.host}.`);
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw this.#refusal(response.status, answer);
    return answer.token;
  }

  #refusal(status, answer) {
    if (status !== 401) return new Problem('No access token was given.', `${answer.message ?? 'The gateway says no more.'} (${status})`);
    if (this.#method === 'credentials') return new Problem('The account was refused.', 'Check the SID and its token or secret.');
    const problem = new Problem(
      'This gateway asks who you are.',
      'It gives tokens without a login in development mode, on its own machine, only. Sign in with an account or a token.',
    );
    problem.needsLogin = true;
    return problem;
  }
}

function basic(user, secret) {
  const octets = new TextEncoder().encode(`${user}:${secret}`);
  return btoa(String.fromCharCode(...octets));
}
