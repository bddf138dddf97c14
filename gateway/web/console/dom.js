// Elements from values. Only text is ever put in, never markup: what is shown was written by strangers.

import { shown, moment } from './text.js';

/** make('p', {class: 'hint'}, 'text', element…). Properties that are functions become listeners. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, '');
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** A time, with the whole date for whoever points at it. */
export function time(iso, options) {
  if (!iso) return make('span', { class: 'faint' }, '–');
  return make('time', { datetime: iso, title: new Date(iso).toString() }, moment(iso, options));
}

/** Pairs as a list of terms; empty values are left out. */
export function pairs(list) {
  const filled = list.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return make(
    'dl',
    { class: 'pairs' },
    filled.map(([name, value]) => make('div', {},
      make('dt', {}, shown(name)),
      make('dd', { dir: 'auto' }, value instanceof Node ? value : shown(value)))),
  );
}

export function badge(text, kind) {
  return make('span', { class: 'badge', 'data-kind': kind }, text);
}

export function empty(title, ...more) {
  return make('div', { class: 'empty' }, make('p', {}, make('strong', {}, title)), ...more.map(text => make('p', { class: 'hint' }, text)));
}

/**
 * Makes the children of a place agree with a list, and leaves alone what has not changed: what is open stays open, what
 * has the focus keeps it. render: an element for an item.
 */
export function keyed(place, items, keyOf, render) {
  const known = new Map([...place.children].map(child => [child.dataset.key, child]));
  let before = null;
  for (const item of items) {
    const key = String(keyOf(item));
    const look = JSON.stringify(item);
    let child = known.get(key);
    known.delete(key);
    if (!child || child.look !== look) {
      const fresh = render(item);
      fresh.dataset.key = key;
      fresh.look = look;
      if (child) replaced(child, fresh);
      child = fresh;
    }
    const follows = before ? before.nextSibling : place.firstChild;
    if (child !== follows) place.insertBefore(child, follows);
    before = child;
  }
  for (const child of known.values()) child.remove();
}

function replaced(old, fresh) {
  const hadFocus = old.contains(document.activeElement);
  const isOpen = old instanceof HTMLDetailsElement && old.open;
  if (isOpen) fresh.open = true;
  old.replaceWith(fresh);
  if (hadFocus) (fresh.matches('a, button, summary') ? fresh : fresh.querySelector('a, button, summary'))?.focus();
}

/** Text to copy, with a button. */
export function code(text, label) {
  const button = make('button', { type: 'button', class: 'copy', click: () => copy(text, button) }, 'Copy');
  button.setAttribute('aria-label', `Copy ${label}`);
  return make('div', { class: 'code' }, make('pre', { tabindex: '0', 'aria-label': label, dir: 'ltr' }, text), navigator.clipboard ? button : null);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
}
