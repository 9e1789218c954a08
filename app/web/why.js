// Why a document is a hit: what its score is made of and worth, its passages, the words that carry it.

import { Problem, request } from "./api.js";
import { element, figure, plural } from "./dom.js";
import { offsetOf } from "./words.js";

const TELLING_WORDS = 8;
const SIGNIFICANT = 0.05;

/**
 * The explanation of one hit. It asks for the hits before it first and goes on from their cursor, so
 * that the model reads the words of this one only.
 * @param {string} path of the search
 * @param {object} body of the page that the hit is on
 * @param {number} before how many hits of that page come before it
 * @param {string} id of the hit
 */
export async function askWhy(path, body, before, id) {
  const { cursor } = before ? await request(path, { body: { ...body, k: before } }) : body;
  const { hits } = await request(path, { body: { ...body, ...(cursor && { cursor }), k: 1, explain: 1 } });
  if (hits[0]?.id !== id) throw new Problem("This hit stands elsewhere by now", "The collection has changed. Search again to see it as it is.");
  return hits[0].explanation;
}

const LIKELIHOODS = {
  strong: "at least half of hits like this are relevant",
  fair: "less than half of hits like this are relevant, but at least one in seven",
  weak: "fewer than one in seven hits like this are relevant",
};

/** A grade in a sentence. */
export function gradeInWords(grade) {
  return `${grade[0].toUpperCase()}${grade.slice(1)}: ${LIKELIHOODS[grade]}`;
}

/** What a significance says of an answer: null where something here is about the query, or nothing is known. */
export function doubtOf(significance) {
  if (significance === null || significance < SIGNIFICANT) return null;
  return { words: "perhaps nothing here is about this", reason: `${(100 * significance).toFixed(0)} % of unrelated questions find as near a document` };
}

/**
 * A passage as nodes, each word washed by its effect: what carries the score, and what lowers it.
 * @param {string} passage
 * @param {number} start of the passage in its document's text, in code points as `spans` are
 * @param {{effect: number, spans: [number, number][]}[]} words
 */
export function weighed(passage, start, words) {
  const largest = largestOf(words);
  const marks = words
    .flatMap(({ effect, spans }) => spans.map(([from, to]) => ({ effect, from: offsetOf(passage, from - start), to: offsetOf(passage, to - start) })))
    .filter(({ from, to }) => from < to)
    .sort((a, b) => a.from - b.from);
  const nodes = [];
  let done = 0;
  for (const { effect, from, to } of marks) {
    if (from < done) continue;
    nodes.push(passage.slice(done, from), washed(passage.slice(from, to), effect / largest));
    done = to;
  }
  return [...nodes, passage.slice(done)];
}

const largestOf = (words) => Math.max(...words.map(({ effect }) => Math.abs(effect)), Number.MIN_VALUE);

const signOf = (effect) => (effect < 0 ? "negative" : "positive");

const washed = (text, weight) => element("mark", { className: "weight", dataset: { sign: signOf(weight) }, "--weight": Math.abs(weight).toFixed(3) }, text);

/** The words that carry a hit's score, each with its effect: by meaning where that is known, else by BM25. */
export function carriersOf({ words = [], terms = [] }) {
  return words.length ? words : asEffects(terms);
}

const asEffects = (terms) => terms.map(({ score, ...term }) => ({ ...term, effect: score }));

/** What stands below a hit once it was asked why it is one. */
export function whyOf(hit, { words = [], passages = [], words_left_out: left = 0, rest = null, terms = [] }) {
  return element(
    "section",
    { className: "why", "aria-label": "Why this is a hit" },
    element("dl", { className: "scores" }, ...scoreRows(hit)),
    words.length > 0 && legend(),
    words.length > 0 && wordList(words, "Words by their effect", left, hit.scores?.dense),
    words.length === 0 && rest !== null && element("p", { className: "quiet" }, "No single word carries it: title and passage are near as a whole."),
    terms.length > 0 && element("p", { className: "wash-legend" }, "Words that it shares with the query, and what each adds to the BM25 score"),
    terms.length > 0 && wordList(asEffects(terms), "Words in common"),
    passages.length > 1 && passageList(passages),
  );
}

function scoreRows({ scores = {}, relevance, grade }) {
  const place = (rank) => (rank ? `, place ${rank}` : "");
  const rows = [
    [scores.dense, "Cosine", (value) => `${figure(value)}${place(scores.dense_rank)}`],
    [scores.lexical, "BM25", (value) => `${figure(value, 2)}${place(scores.lexical_rank)}`],
    [scores.fused, "Both together", figure3],
    [scores.reranked, "Read by the cross-encoder", figure3],
    [relevance, "Relevance", (value) => `${(100 * value).toFixed(0)} % of hits like this were judged relevant`],
    [grade, "Grade", gradeInWords],
  ];
  const known = rows.filter(([value]) => value !== undefined && value !== null);
  return known.map(([value, term, say]) => element("div", {}, element("dt", {}, term), element("dd", {}, say(value))));
}

const figure3 = (value) => figure(value);

const legend = () =>
  element(
    "p",
    { className: "wash-legend" },
    washed("carries the score", 0.8),
    " ",
    washed("lowers it", -0.8),
    " by how much the cosine falls when title and passage are read without the word",
  );

function wordList(words, label, left = 0, whole = null) {
  const largest = largestOf(words);
  const telling = [...words].sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, TELLING_WORDS);
  const items = telling.map(({ text, effect }) =>
    element(
      "li",
      { dataset: { sign: signOf(effect) }, "--weight": (Math.abs(effect) / largest).toFixed(3) },
      element("span", { className: "word", dir: "auto" }, text),
      element("span", { className: "effect" }, `${effect < 0 ? "" : "+"}${figure(effect)}`),
      element("span", { className: "bar", "aria-hidden": "true" }, element("span")),
    ),
  );
  const rest = typeof whole === "number" && whole - telling.reduce((sum, { effect }) => sum + effect, 0);
  return element(
    "div",
    {},
    element("ol", { className: "effects", "aria-label": label }, ...items),
    rest !== false && element("p", { className: "quiet rest" }, `${figure(rest)} is of all else together: with these words, the cosine of ${figure(whole)}`),
    left > 0 && element("p", { className: "quiet" }, `${plural(left, "more word")} not tried`),
  );
}

function passageList(passages) {
  const items = passages.map(({ text, score }) => element("li", {}, score !== null && element("span", { className: "effect" }, figure(score)), element("span", { dir: "auto" }, text)));
  return element("div", { className: "passages" }, element("h3", {}, "Its best passages"), element("ol", {}, ...items));
}
