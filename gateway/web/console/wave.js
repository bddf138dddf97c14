// The outline of a recording, a panel for each channel, and where its player is.

import { ask } from './api.js';
import { make } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 100;
// The loudest sample fills the panel, but silence is not blown up to look like sound.
const LEAST_FULL = 8;

const seen = new IntersectionObserver(entries => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    fill(target);
  }
});

/** A place for the outline of a recording; it is read when it comes into view. audio: whose position it shows. */
export function wave(sid, audio) {
  const panels = make('div', { class: 'panels' });
  const line = make('span', { class: 'playhead', hidden: true });
  const place = make('div', { class: 'wave', 'aria-hidden': 'true' }, panels, line);
  place.recording = sid;
  place.panels = panels;
  place.audio = audio;
  place.addEventListener('click', event => {
    const box = panels.getBoundingClientRect();
    seek(audio, (event.clientX - box.left) / box.width);
  });
  audio.addEventListener('timeupdate', () => {
    line.hidden = !audio.duration;
    line.style.left = `${(100 * audio.currentTime) / (audio.duration || 1)}%`;
  });
  seen.observe(place);
  return place;
}

function seek(audio, share) {
  const go = () => {
    audio.currentTime = Math.max(0, Math.min(1, share)) * audio.duration;
    audio.play().catch(() => {});
  };
  if (audio.duration) {
    go();
    return;
  }
  audio.addEventListener('loadedmetadata', go, { once: true });
  audio.preload = 'metadata';
  audio.load();
}

async function fill(place) {
  try {
    const outline = await ask(`recordings/${place.recording}/outline`);
    const full = Math.max(LEAST_FULL, ...outline.channels.flat(2).map(Math.abs));
    place.panels.replaceChildren(...outline.channels.map(channel => panel(channel, full)));
    // Its length, for who comes by keyboard: the head of the file is all that is read.
    place.audio.preload = 'metadata';
  } catch (error) {
    place.panels.replaceChildren(make('p', { class: 'hint' }, error.message));
  }
}

function panel(columns, full) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${Math.max(1, columns.length)} ${HEIGHT}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  const y = level => (HEIGHT / 2 - (level / full) * (HEIGHT / 2 - 2)).toFixed(1);
  const top = columns.map(([, high], x) => `${x} ${y(Math.max(high, 0.2))}`);
  const bottom = columns.map(([low], x) => `${x} ${y(Math.min(low, -0.2))}`).reverse();
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', columns.length ? `M${[...top, ...bottom].join('L')}Z` : '');
  svg.append(path);
  return svg;
}
