// The gateway's answers. What goes wrong becomes a sentence.

const ROOT = new URL('./', import.meta.url);

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Whoever asked has to log in (again). */
  get needsLogin() {
    return this.status === 401;
  }
}

export function urlOf(path) {
  return new URL(path, ROOT).href;
}

export async function ask(path, { method = 'GET', body = null, signal = null } = {}) {
  let response;
  try {
    response = await fetch(urlOf(path), {
      method,
      signal,
      credentials: 'same-origin',
      cache: method === 'GET' && /\/outline$/.test(path) ? 'default' : 'no-store',
      headers: body === null ? {} : { 'Content-Type': 'application/json' },
      body: body === null ? null : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(navigator.onLine ? 'The gateway cannot be reached.' : 'This computer is offline.', 0);
  }
  if (response.status === 204) return null;
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new Refused(`The gateway gave an answer that cannot be read (${response.status}).`, response.status);
  }
  if (!response.ok) throw new Refused(answer.error ?? `The gateway refused (${response.status}).`, response.status);
  return answer;
}
