// Text of strangers made safe to look at, and figures and times in words.

import { shown } from '../parameters.js';

export { shown };

/** Text of several lines: as `shown`, but lines and tabs stay, and it may be long. */
export function block(text) {
  return String(text ?? '')
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]|[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu, '\ufffd');
}

/** `client:bob` is bob, `sip:bob@host` stays. */
export function nameOf(address) {
  return shown((address ?? '').replace(/^client:/, '')) || 'unknown';
}

const DAY = { day: 'numeric', month: 'short' };
const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };

/** `14:03:22` of today, with the day before it on others. */
export function moment(iso, { withMillis = false } = {}) {
  if (!iso) return '–';
  const at = new Date(iso);
  const millis = withMillis ? `.${String(at.getMilliseconds()).padStart(3, '0')}` : '';
  const clock = at.toLocaleTimeString([], CLOCK) + millis;
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? clock : `${at.toLocaleDateString([], DAY)}, ${clock}`;
}

/** Seconds as `0:07`, `12:34`, `1:02:03`. */
export function lasting(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map(part => String(part).padStart(2, '0'));
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${parts.join(':')}` : parts.join(':').replace(/^0/, '');
}

export function took(ms) {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** How long after the beginning. */
export function offset(iso, startIso) {
  const seconds = (new Date(iso) - new Date(startIso)) / 1000;
  return `${seconds < 0 ? '−' : '+'}${Math.abs(seconds).toFixed(2)} s`;
}

export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

export function percent(value) {
  return value === null || value === undefined ? '–' : `${value < 10 ? value.toFixed(value ? 2 : 0) : value.toFixed(1)} %`;
}

export function ms(value) {
  return value === null || value === undefined ? '–' : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

const STATUSES = {
  'queued': 'queued',
  'ringing': 'ringing',
  'in-progress': 'in progress',
  'completed': 'completed',
  'busy': 'busy',
  'no-answer': 'no answer',
  'failed': 'failed',
  'canceled': 'canceled',
};
const DIRECTIONS = {
  'inbound': 'incoming',
  'outbound-api': 'placed by the REST API',
  'outbound-dial': 'placed by <Dial>',
};

export const statusOf = status => STATUSES[status] ?? shown(status);
export const directionOf = direction => DIRECTIONS[direction] ?? shown(direction);
