// Which words of two texts differ, so that they can be marked side by side.

const LONGEST = 1_500; // words between what both begin and end with; of longer ones only which words there are is compared

/** A text in words, each with the blanks behind it. */
export const piecesOf = (text) => text.match(/\S+\s*|^\s+/g) ?? [];

const plain = (piece) => piece.trim();

/**
 * The words of each text that the other has not at that place, as indices of its pieces.
 * @param {string[]} a
 * @param {string[]} b
 * @returns {[Set<number>, Set<number>]}
 */
export function differing(a, b) {
  const [one, other] = [a.map(plain), b.map(plain)];
  let first = 0;
  while (first < one.length && first < other.length && one[first] === other[first]) first += 1;
  let same = 0;
  while (same < Math.min(one.length, other.length) - first && one.at(-1 - same) === other.at(-1 - same)) same += 1;
  const [left, right] = [one.slice(first, one.length - same), other.slice(first, other.length - same)];
  const compare = Math.max(left.length, right.length) > LONGEST ? missing : unaligned;
  return compare(left, right).map((places) => new Set(places.map((at) => at + first)));
}

/** The places that are in no longest common subsequence. */
function unaligned(a, b) {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1] + 1 : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const [left, right] = [[], []];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) [i, j] = [i + 1, j + 1];
    else if (j === b.length || (i < a.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) left.push(i++);
    else right.push(j++);
  }
  return [left, right];
}

/** The places of words that the other has nowhere. */
function missing(a, b) {
  const [own, others] = [new Set(a), new Set(b)];
  return [[...a.keys()].filter((i) => !others.has(a[i])), [...b.keys()].filter((j) => !own.has(b[j]))];
}
