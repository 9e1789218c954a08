// Text as people see it: which words of a query stand in a passage, and where a passage stands in
// its document. The service counts characters as code points; strings here count UTF-16 units.

// The ranges of indexer/scripts.py, and how indexer/lexical takes words in them apart; tests hold both.
const SYLLABLES =
  String.raw`\u{2e80}-\u{2fdf}\u{3005}-\u{3007}\u{3021}-\u{3029}\u{3038}-\u{303b}\u{3041}-\u{3096}` +
  String.raw`\u{3099}-\u{309a}\u{309d}-\u{309f}\u{30a1}-\u{30fa}\u{30fc}-\u{30ff}\u{3105}-\u{312f}` +
  String.raw`\u{31a0}-\u{31bf}\u{31f0}-\u{31ff}\u{3400}-\u{4dbf}\u{4e00}-\u{9fff}\u{a000}-\u{a48c}` +
  String.raw`\u{f900}-\u{faff}\u{ff66}-\u{ff9f}\u{1aff0}-\u{1b16f}\u{20000}-\u{323af}\u{1100}-\u{11ff}` +
  String.raw`\u{3131}-\u{318e}\u{a960}-\u{a97c}\u{ac00}-\u{d7a3}\u{d7b0}-\u{d7fb}\u{ffa1}-\u{ffdc}`;
const LETTERS =
  String.raw`\u{e01}-\u{e3a}\u{e40}-\u{e4e}\u{e81}-\u{ebd}\u{ec0}-\u{ece}\u{edc}-\u{edf}` +
  String.raw`\u{f00}-\u{f00}\u{f40}-\u{f84}\u{f86}-\u{fbc}\u{1000}-\u{103f}\u{1050}-\u{108f}` +
  String.raw`\u{109a}-\u{109d}\u{1780}-\u{17d3}\u{17d7}-\u{17d7}\u{17dc}-\u{17dd}\u{1950}-\u{19cf}` +
  String.raw`\u{1a20}-\u{1a7c}\u{1b00}-\u{1b4c}\u{a980}-\u{a9c0}\u{a9e0}-\u{a9ef}\u{a9fa}-\u{a9fe}` +
  String.raw`\u{aa60}-\u{aadd}\u{11700}-\u{1172b}`;
const LONGEST = 3;
const PAIR = 2;

const IGNORABLE = String.raw`\u{ad}\u{34f}\u{61c}\u{180b}-\u{180f}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}\u{fe00}-\u{fe0f}\u{feff}\u{e0000}-\u{e0fff}`;
const NAME = String.raw`(?:(?![${SYLLABLES}${LETTERS}])[\p{L}\p{N}\p{M}_${IGNORABLE}])+`;
const HYPHEN = "(?:-|(?<=\u00ad))\n";
const PIECE = new RegExp(`([${SYLLABLES}][${SYLLABLES}${IGNORABLE}]*)|([${LETTERS}][${LETTERS}${IGNORABLE}]*)|${NAME}(?:${HYPHEN}${NAME})?`, "gu");
const CHARACTER = new RegExp(String.raw`.[\p{M}\u{ff9e}\u{ff9f}\u{1160}-\u{11ff}${IGNORABLE}]*`, "gsu");
const UNSEEN = new RegExp(`[${IGNORABLE}]`, "gu");
const SEAM = /_+|\u200c|(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll}{2})|(?<=[0-9])(?=\p{Lu}\p{Ll})/gu;
const MARKS = /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]/gu;
const ACCENTED = /([\p{Script=Latin}\p{Script=Greek}])\p{Mn}+/gu;
const PLAIN = { ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ł: "l", ð: "d", þ: "th", ı: "i", ς: "σ" };
const ENDINGS = /(?<=...)(?:ings?|edly|ed|ers?|es|s)$/u;
const COMMON = new Set(
  ("a an and are as at be by can do does for from has have how i if in is it its of on or that the " +
    "there this to was what when where which who why will with you your").split(" "),
);

/**
 * Each word of a text as [start, end, key]; words of one key count as one, and a word's parts are words too.
 * @param {string} text
 * @param {boolean} asked whether the text is a query, of which only the longest rows of characters count
 */
function* wordsOf(text, asked = false) {
  for (const match of text.matchAll(PIECE)) {
    const [piece, syllables, letters] = match;
    const [first, second] = piece.split(new RegExp(HYPHEN, "u"), 2);
    if (syllables || letters) yield* rowsOf(piece, match.index, asked, Boolean(syllables));
    else yield* namesOf(first, match.index);
    if (!second) continue;
    yield [match.index, match.index + piece.length, stem(first + second)];
    yield* namesOf(second, match.index + piece.length - second.length);
  }
}

/** The words that a name such as getUserName or get_user_name is joined of, and the whole. */
function* namesOf(name, offset) {
  const seams = [...name.matchAll(SEAM)];
  const starts = [0, ...seams.map((seam) => seam.index + seam[0].length)];
  const ends = [...seams.map((seam) => seam.index), name.length];
  const parts = starts.map((start, i) => [start, ends[i]]).filter(([start, end]) => start < end);
  const written = parts.map(([start, end]) => name.slice(start, end));
  const short = parts.length === 2 && written.join("") === name && written.some((part) => part.length === 1);
  if (parts.length > 1) yield [offset + parts[0][0], offset + parts.at(-1)[1], stem(written.join(""))];
  if (!short) for (const [i, [start, end]] of parts.entries()) yield [offset + start, offset + end, stem(written[i])];
}

/** Characters of a script without spaces, pairs of them, and threes. */
function* rowsOf(run, offset, asked, paired) {
  const seen = [...run.matchAll(CHARACTER)].flatMap(({ 0: written, index }) => [...folded(written)].map((character) => [character, index, index + written.length]));
  const longest = Math.min(LONGEST, seen.length);
  const shortest = !asked ? 1 : paired ? Math.min(PAIR, longest) : longest;
  for (let count = shortest; count <= longest; count += 1) {
    for (let first = 0; first + count <= seen.length; first += 1) {
      const row = seen.slice(first, first + count);
      yield [offset + row[0][1], offset + row.at(-1)[2], row.map(([character]) => character).join("")];
    }
  }
}

/** A text without what is not seen, accents and case, as the service compares words. */
function folded(text) {
  const bare = text.replace(UNSEEN, "").normalize("NFKC").toLowerCase().normalize("NFD").replace(ACCENTED, "$1").normalize("NFC");
  return bare.replace(MARKS, "").replace(/[ßæœøđłðþıς]/gu, (letter) => PLAIN[letter]);
}

/** A word without case and without a common English ending: "parsing" and "parse" are one. */
function stem(word) {
  const bare = folded(word).replace(ENDINGS, "");
  return bare.length < 3 ? bare : bare.replace(/([^aeiou])\1$/, "$1").replace(/[eiy]$/, "");
}

/**
 * The keys of a query's words, less the words that every text has (unless it has no others).
 * @param {string} query
 * @returns {Set<string>}
 */
export function keysOf(query) {
  const all = [...wordsOf(query, true)].map(([start, end, key]) => [query.slice(start, end), key]);
  const telling = all.filter(([word]) => !COMMON.has(word.toLowerCase()));
  return new Set((telling.length ? telling : all).map(([, key]) => key));
}

/** Where words of these keys stand, as [start, end]; neighbours with only space between them are one. */
export function spansOf(text, keys) {
  const spans = [];
  const found = [...wordsOf(text)].filter(([, , key]) => keys.has(key)).sort((a, b) => a[0] - b[0]);
  for (const [start, end] of found) {
    const last = spans.at(-1);
    if (last && !text.slice(last[1], start).trim()) last[1] = Math.max(last[1], end);
    else spans.push([start, end]);
  }
  return spans;
}

/**
 * A text as nodes, in which words of the query stand in <mark>.
 * @param {string} text
 * @param {Set<string>} keys
 * @returns {Node[]}
 */
export function marked(text, keys) {
  const nodes = [];
  let done = 0;
  for (const [start, end] of spansOf(text, keys)) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(start, end);
    nodes.push(document.createTextNode(text.slice(done, start)), mark);
    done = end;
  }
  nodes.push(document.createTextNode(text.slice(done)));
  return nodes;
}

/** The UTF-16 offset of the n-th code point of a text. */
export function offsetOf(text, n) {
  let offset = 0;
  for (let left = n; left > 0 && offset < text.length; left -= 1) {
    offset += text.codePointAt(offset) > 0xffff ? 2 : 1;
  }
  return offset;
}

/**
 * A document's text around its passage: what stands before, the passage, what stands after.
 * `context` bounds before and after to so many UTF-16 units, cut at a space where there is one.
 */
export function around(text, passage, context = Infinity) {
  const start = offsetOf(text, passage.start);
  const end = start + offsetOf(text.slice(start), passage.end - passage.start);
  const before = start <= context ? text.slice(0, start) : tail(text.slice(start - context, start));
  const rest = text.slice(end);
  const after = rest.length <= context ? rest : head(rest.slice(0, context));
  return { before, passage: text.slice(start, end), after, whole: before.length === start && after.length === rest.length };
}

const tail = (text) => `\u2026${text.replace(/^\S{0,40}\s+/u, "").replace(/^[\uDC00-\uDFFF]/, "")}`;
const head = (text) => `${text.replace(/\s+\S{0,40}$/u, "").replace(/[\uD800-\uDBFF]$/, "")}\u2026`;
