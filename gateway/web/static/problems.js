// What can go wrong, in sentences that say what to do about it.

/** title: what is wrong. advice: what the reader can do. */
export class Problem extends Error {
  constructor(title, advice = '') {
    super(title);
    this.title = title;
    this.advice = advice;
  }
}

const MICROPHONE = {
  NotAllowedError: ['The microphone was refused.', 'Allow it for this page in the browser’s address bar, then try again.'],
  NotFoundError: ['There is no microphone.', 'Plug one in, or choose another under “Microphone and speaker”.'],
  OverconstrainedError: ['The chosen microphone is gone.', 'Choose another under “Microphone and speaker”.'],
  NotReadableError: ['The microphone cannot be opened.', 'Another program may be using it.'],
};

export function microphoneProblem(error) {
  if (!globalThis.isSecureContext) {
    return new Problem('This page may not use a microphone.', 'Browsers allow that over https, or on localhost, only.');
  }
  const [title, advice] = MICROPHONE[error?.name] ?? ['The microphone cannot be used.', error?.message ?? ''];
  return new Problem(title, advice);
}

const TOKEN_EXPIRED = new Set([20104, 31205]);
const TOKEN_WRONG = new Set([20101, 20151, 31201, 31204, 31207]);

export function isTokenExpired(code) {
  return TOKEN_EXPIRED.has(code);
}

export function isTokenWrong(code) {
  return TOKEN_WRONG.has(code);
}

export function signalProblem({ code = 0, message = '' } = {}) {
  if (isTokenExpired(code)) return new Problem('The access token has expired.', 'Sign in again; calls that are up go on.');
  if (isTokenWrong(code)) return new Problem('The access token was refused.', `${message} (${code}). Sign in with another one.`);
  return new Problem('The gateway reports an error.', `${message} (${code})`);
}

const ENDED = {
  31002: ['is not allowed to be called.', 'The access token must name an application.'],
  31005: ['could not be called.', 'The gateway could not take or finish the call.'],
  31400: ['could not be called.', 'The gateway cannot use this browser’s sound description.'],
  31404: ['is not known here.', 'Check the name, or that the number has a trunk.'],
  31480: ['cannot be reached now.', 'Nobody is signed in by that name, or nobody answered.'],
  31486: ['is busy.', ''],
  31603: ['declined the call.', ''],
  53405: ['lost the sound.', 'UDP to the gateway’s media address does not get through.'],
};

/** Why a call ended, unless it was simply over. */
export function endProblem(peer, error) {
  if (!error) return null;
  const [what, advice] = ENDED[error.code] ?? ['could not be called.', error.message ?? ''];
  return new Problem(`${peer} ${what}`, `${advice} (${error.code})`.trim());
}

export function lostProblem({ hasOpened }) {
  if (!navigator.onLine) return new Problem('This computer is offline.', 'The softphone comes back with the network.');
  if (hasOpened) return new Problem('The connection to the gateway is lost.', 'Trying to get it back.');
  return new Problem('The gateway cannot be reached.', `Nothing answers at ${location.host}, or it lets no page in from here.`);
}
