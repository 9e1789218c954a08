// Text as people see it: which words of a query stand in a passage, and where a passage stands in
// its document. The service counts characters as code points; strings here count UTF-16 units.

const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const ENDINGS = /(?<=...)(?:ings?|edly|ed|ers?|es|s)$/u;
const COMMON = new Set(
  ("a an and are as at be by can do does for from has have how i if in is it its of on or that the " +
    "there this to was what when where which who why will with you your").split(" "),
);

/** Each word of a text as [start, end, key]; words of one key count as one. */
function* wordsOf(text) {
  for (const match of text.matchAll(WORD)) {
    if (UNSPACED.test(match[0])) yield* unspaced(match[0], match.index);
    else yield [match.index, match.index + match[0].length, stem(match[0])];
  }
}

/** Words of a script that leaves no spaces between them. */
function* unspaced(run, offset) {
  const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
  for (const { segment, index } of segmenter.segment(run)) {
    yield [offset + index, offset + index + segment.length, segment];
  }
}

/** A word without case and without a common English ending: "parsing" and "parse" are one. */
function stem(word) {
  const bare = word.normalize("NFKC").toLowerCase().replace(ENDINGS, "");
  return bare.length < 3 ? bare : bare.replace(/([^aeiou])\1$/, "$1").replace(/[eiy]$/, "");
}

/**
 * The keys of a query's words, less the words that every text has (unless it has no others).
 * @param {string} query
 * @returns {Set<string>}
 */
export function keysOf(query) {
  const all = [...wordsOf(query)].map(([start, end, key]) => [query.slice(start, end), key]);
  const telling = all.filter(([word]) => !COMMON.has(word.toLowerCase()));
  return new Set((telling.length ? telling : all).map(([, key]) => key));
}

/** Where words of these keys stand, as [start, end]; neighbours with only space between them are one. */
function spansOf(text, keys) {
  const spans = [];
  for (const [start, end, key] of wordsOf(text)) {
    if (!keys.has(key)) continue;
    const last = spans.at(-1);
    if (last && !text.slice(last[1], start).trim()) last[1] = end;
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
