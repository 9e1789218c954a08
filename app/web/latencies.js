// How long the last searches of this tab took, by collection; forgotten when the page is.

const KEPT = 100;
const taken = new Map();

/** Notes that a search of a collection took so many milliseconds. */
export function noteLatency(collection, milliseconds) {
  taken.set(collection, [...(taken.get(collection) ?? []), milliseconds].slice(-KEPT));
}

/** Median and maximum of the last searches of a collection in milliseconds, null before the first. */
export function latencyOf(collection) {
  const sorted = [...(taken.get(collection) ?? [])].sort((a, b) => a - b);
  if (!sorted.length) return null;
  return { searches: sorted.length, median: sorted[Math.floor((sorted.length - 1) / 2)], most: sorted.at(-1) };
}
