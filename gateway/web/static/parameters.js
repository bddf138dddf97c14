// Custom parameters of calls, in the two codings of the wire, and text of others made safe to look at.

/** Parameters of a call we make: an ordinary query, %20 for a space. */
export function encodeParameters(pairs) {
  return pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
}

/** `Params` of a call for us: names come as they are, values are encoded, + is a space. */
export function decodeParameters(text) {
  return (text ?? '').split('&').filter(Boolean).map(pair => {
    const [name, value = ''] = pair.split('=', 2);
    return [name, decoded(value)];
  });
}

function decoded(value) {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return value;
  }
}

/** `client:bob` is bob to people. */
export function nameOf(address) {
  return shown((address ?? '').replace(/^client:/, '')) || 'Unknown';
}

const LONGEST = 300;

/** Text of others: no control characters, nothing that turns the direction of writing, not endless. */
export function shown(text) {
  const plain = String(text ?? '').replace(/[\p{Cc}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu, '\ufffd');
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}…` : plain;
}
