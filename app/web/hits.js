// A list of hits: titles, scores, the best passage within its text, metadata.

import { isCode } from "./code.js";
import { element, figure, ordinal } from "./dom.js";
import { factsPlace } from "./facts.js";
import { problemNotice } from "./notices.js";
import { nameOf } from "./pictures.js";
import { carriersOf, gradeInWords, weighed, whyOf } from "./why.js";
import { around, keysOf, marked, offsetOf } from "./words.js";

const CONTEXT = 110;
const DEGREES = 180 / Math.PI;

/** The angle between two unit vectors of this cosine, in degrees. */
export const angleOf = (cosine) => Math.acos(Math.min(1, Math.max(-1, cosine))) * DEGREES;

/**
 * Hits as list items.
 * @param {object} answer the service's answer
 * @param {string} query whose words are marked
 * @param {{picture: (hit: object) => HTMLElement | null, like: (id: string) => void, hrefOf: (hit: object) => string, why: (hit: object) => Promise<object>, judge: ((id: string) => Promise<void>) | null}} actions; `judge` only where judgements are taken
 */
export function hitItems(answer, query, actions) {
  const keys = keysOf(query);
  const axis = axisOf(answer);
  return answer.hits.map((hit, i) => hitItem(hit, i, keys, axis, actions));
}

/** Cosines, and fused scores, which read like them, share the axis from 0 (or, if one is negative, from -1) to 1; other scores that to their largest. */
export function axisOf({ hits, mode }) {
  const scores = hits.map((hit) => hit.score);
  const negative = scores.some((score) => score < 0);
  const largest = Math.max(...scores.map(Math.abs), mode === "lexical" ? Number.MIN_VALUE : 1);
  return { negative, largest, cosine: mode === "dense" };
}

function hitItem(hit, index, keys, axis, actions) {
  const text = element("p", { className: "text", dir: "auto" });
  const item = element(
    "li",
    { className: "hit", tabIndex: index ? -1 : 0, dataset: { id: hit.id, score: String(hit.score) } },
    element(
      "article",
      { "aria-labelledby": `hit-${index}` },
      actions.picture(hit),
      scoreOf(hit, axis),
      element("h2", { id: `hit-${index}`, className: hit.title ? "title" : "title untitled", dir: "auto" }, element("a", { href: actions.hrefOf(hit) }, ...marked(nameOf(hit), keys))),
      hit.title && hit.title !== hit.id && element("p", { className: "id", dir: "auto" }, hit.id),
      placeOf(hit.passage) && element("p", { className: "id place", dir: "auto" }, placeOf(hit.passage)),
      hit.unknown && element("p", { className: "id warning" }, "The model knows no word of this passage: its cosine says nothing"),
      text,
      element("div", { className: "below" }, factsPlace(), buttons(hit, actions)),
    ),
  );
  const showText = () => fill(text, hit, keys, item.hasAttribute("data-open") ? Infinity : CONTEXT);
  showText();
  item.addEventListener("toggle-text", () => (toggle(item), showText()));
  item.addEventListener("toggle-why", () => toggleWhy(item, hit, actions).then(showText));
  return item;
}

/** The ends of a hit's passage; null where it is the whole text, and nothing is to be looked for. */
export const passageOf = ({ text, passage }) => (passage.start === 0 && offsetOf(text, passage.end) >= text.length ? null : [passage.start, passage.end]);

/** Where a passage stands in its document: the page, and the headings above it. */
function placeOf({ page, headings = [] }) {
  return [page && `Page ${page}`, headings.length > 0 && headings.join(" > ")].filter(Boolean).join(", ");
}

/** What a score is worth, in words: shown where the pointer rests on it. */
function worthOf({ grade, relevance, scores, score }) {
  const parts = [];
  if (scores?.fused === score) parts.push(`Made of ${partOf("cosine", scores.dense, scores.dense_rank)} and ${partOf("BM25 score", scores.lexical, scores.lexical_rank)}`);
  if (relevance !== undefined) parts.push(`Relevance ${relevance.toFixed(2)}: of hits like this, so many were judged relevant`);
  if (grade) parts.push(gradeInWords(grade));
  return parts.join("\n") || null;
}

const partOf = (name, value, rank) => `${name} ${value.toPrecision(3)} (${rank ? `place ${rank}` : "not among the best"})`;

/** The places that a fused score is made of: by meaning, and by words. */
function placesOf({ scores, score }) {
  if (scores?.fused !== score) return null;
  const by = (rank, what) => rank && `${ordinal(rank)} by ${what}`;
  const places = [by(scores.dense_rank, "meaning"), by(scores.lexical_rank, "words")].filter(Boolean);
  return places.length > 0 && element("span", { className: "places" }, ...places.map((place) => element("span", {}, place)));
}

/** A hit's score as figure, grade and bar, with its angle or the places that it is made of. */
export function scoreOf(hit, { negative, largest, cosine }) {
  const { score } = hit;
  const share = Math.min(1, Math.abs(score) / largest);
  return element(
    "div",
    { className: negative ? "score signed" : "score", dataset: { sign: score < 0 ? "negative" : "positive" }, "--share": share },
    element("data", { value: String(score), className: "number", title: worthOf(hit) }, figure(score)),
    hit.grade && element("span", { className: "worth", dataset: { grade: hit.grade }, title: worthOf(hit) }, hit.grade),
    element("span", { className: "bar", "aria-hidden": "true" }, element("span")),
    cosine && element("span", { className: "angle", title: "The angle between the two vectors" }, `${angleOf(score).toFixed(0)}\u00b0`),
    placesOf(hit),
  );
}

function fill(text, hit, keys, context) {
  const parts = around(hit.text, hit.passage, context);
  const explained = text.closest(".hit").hasAttribute("data-why") && hit.explanation;
  const words = explained ? carriersOf(explained) : [];
  const washed = words.length > 0;
  text.replaceChildren(
    element("span", { className: "context" }, ...(washed ? [parts.before] : marked(parts.before, keys))),
    element("span", { className: "passage" }, ...(washed ? weighed(parts.passage, hit.passage.start, words) : marked(parts.passage, keys))),
    element("span", { className: "context" }, ...(washed ? [parts.after] : marked(parts.after, keys))),
  );
  text.classList.toggle("code", isCode(hit.passage.text));
  text.dataset.whole = String(parts.whole && !hit.text.trim().includes("\n"));
}

function toggle(item) {
  const open = item.toggleAttribute("data-open");
  const button = item.querySelector(".more");
  button.textContent = open ? "Less" : "Whole text";
  button.setAttribute("aria-expanded", String(open));
}

/** Shows why, or no longer; the service is asked the first time, and the hit keeps what it answers. */
async function toggleWhy(item, hit, { why }) {
  const open = item.toggleAttribute("data-why");
  const button = item.querySelector(".ask-why");
  button.setAttribute("aria-expanded", String(open));
  item.querySelector(".why, .notice")?.remove();
  if (!open) return;
  item.setAttribute("aria-busy", "true");
  const shown = await whyShown(hit, why, () => item.dispatchEvent(new Event("toggle-why")));
  item.removeAttribute("aria-busy");
  if (item.hasAttribute("data-why")) item.querySelector("article").append(shown);
}

async function whyShown(hit, why, close) {
  try {
    hit.explanation ??= await why(hit);
    return whyOf(hit, hit.explanation);
  } catch (problem) {
    return problemNotice(problem, close);
  }
}

function buttons(hit, { like, judge }) {
  return element(
    "div",
    { className: "buttons" },
    element("button", { type: "button", className: "more", "aria-expanded": "false", onclick: tellItem("toggle-text") }, "Whole text"),
    element("button", { type: "button", className: "ask-why", "aria-expanded": "false", onclick: tellItem("toggle-why") }, "Why?"),
    element("button", { type: "button", className: "like", onclick: () => like(hit.id) }, "More like this"),
    judge && element("button", { type: "button", className: "judge", "aria-pressed": "false", title: "Tell the service that this hit answers the query", onclick: ({ currentTarget }) => tellJudged(currentTarget, () => judge(hit.id)) }, "This was it"),
  );
}

/** Sends a judgement once; the button says that it was kept, or the hit why not. */
async function tellJudged(button, send) {
  if (button.getAttribute("aria-pressed") === "true") return;
  const article = button.closest("article");
  article.querySelector(".notice.problem")?.remove();
  button.setAttribute("aria-pressed", "true");
  try {
    await send();
    button.textContent = "Noted";
  } catch (problem) {
    button.setAttribute("aria-pressed", "false");
    article.append(problemNotice(problem));
  }
}

const tellItem = (what) => (event) => event.currentTarget.closest(".hit").dispatchEvent(new Event(what));

/** Hides "Whole text" where the whole text is seen as it is written; to be called once the items are in the page. */
export function settle(list) {
  for (const text of list.querySelectorAll(".text")) {
    const seen = text.dataset.whole === "true" && text.scrollHeight <= text.clientHeight + 1;
    text.closest(".hit").querySelector(".more").hidden = seen;
  }
}

/** Leads to the document of a hit. */
export const openHit = (item) => item.querySelector(".title a").click();

/** Arrow keys walk through the list, Enter opens a document; up from the first leads back to `before`. */
export function walkable(list, before) {
  list.addEventListener("keydown", (event) => {
    const item = event.target.closest(".hit");
    if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
    const goal = goalOf(event.key, item, list, before);
    if (goal) focusOn(goal);
    else if (event.key !== "Enter" || event.target !== item) return;
    else openHit(item);
    event.preventDefault();
  });
  list.addEventListener("focusin", ({ target }) => {
    const item = target.closest(".hit");
    for (const other of list.children) other.tabIndex = other === item ? 0 : -1;
  });
}

function goalOf(key, item, list, before) {
  if (key === "ArrowDown") return item.nextElementSibling ?? item;
  if (key === "ArrowUp") return item.previousElementSibling ?? before;
  if (key === "Home") return list.firstElementChild;
  if (key === "End") return list.lastElementChild;
  return key === "Escape" ? before : null;
}

/** Moves the focus, and what has it into view. */
export function focusOn(goal) {
  goal.focus({ preventScroll: true });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  goal.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

/**
 * Where the hits lie, by the angle between their vector and the query's: 0 is the same direction,
 * 90 has nothing to do with it. For the eye only: the list says the same in figures.
 */
export function tapeOf(hits, list) {
  const angles = hits.map(({ score, scores }) => angleOf(scores?.dense ?? score));
  const end = Math.max(...angles) > 90 ? 180 : 90;
  const labels = Array.from({ length: 7 }, (_, i) => (i * end) / 6);
  return element(
    "div",
    { className: "tape", "aria-hidden": "true", title: "The angle of each hit to the query: 0\u00b0 is the same direction" },
    ...labels.map((degrees) => element("span", { className: "degrees", "--at": degrees / end }, `${degrees}\u00b0`)),
    ...angles.map((angle, i) => needle(angle / end, list.children[i])).reverse(),
  );
}

function needle(at, item) {
  const light = (on) => () => item.classList.toggle("lit", on);
  const made = element("span", { className: "needle", "--at": at, onclick: () => focusOn(item), onpointerenter: light(true), onpointerleave: light(false) });
  item.addEventListener("pointerenter", () => made.classList.add("lit"));
  item.addEventListener("pointerleave", () => made.classList.remove("lit"));
  item.addEventListener("focusin", () => made.classList.add("lit"));
  item.addEventListener("focusout", () => made.classList.remove("lit"));
  return made;
}
