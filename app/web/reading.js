// A document's text as it is read: its pages, a passage marked where it stands, long texts by parts.

import { isCode } from "./code.js";
import { count, element } from "./dom.js";
import { offsetOf } from "./words.js";

const AROUND = 6_000; // characters before and after the passage that is read
const FIRST = 12_000; // characters of a text that is read from its beginning
const STEP = 30_000; // characters that are added by a button
const PAGE = "\f";
const SECTION = "\n\n\n";

/**
 * The text as an element, with buttons for what is not shown of it yet.
 * @param {{text: string, metadata: object}} document
 * @param {[number, number] | null} at the passage that is looked for, in code points
 */
export function readingOf({ text, metadata }, at) {
  const passage = at && [offsetOf(text, at[0]), offsetOf(text, at[1])];
  let [from, to] = passage ? [lineStart(text, passage[0] - AROUND), lineEnd(text, passage[1] + AROUND)] : [0, lineEnd(text, FIRST)];
  const whole = element("div", { className: isCode(text.slice(from, to)) ? "whole code" : "whole", dir: "auto", tabIndex: 0, role: "group", "aria-label": "Text" });
  const more = (words, act) => element("button", { type: "button", className: "next-page", onclick: act }, words);
  const before = more("", () => {
    const seen = whole.getBoundingClientRect().bottom;
    from = lineStart(text, from - STEP);
    show();
    scrollBy(0, whole.getBoundingClientRect().bottom - seen); // what is read stays where it is
  });
  const after = more("", () => {
    to = lineEnd(text, to + STEP);
    show();
  });

  function show() {
    whole.replaceChildren(...nodesOf(text, from, to, passage));
    before.hidden = from === 0;
    after.hidden = to === text.length;
    before.textContent = `What comes before: ${count(from)} characters`;
    after.textContent = `What follows: ${count(text.length - to)} characters`;
  }

  show();
  return element("div", { className: "reading" }, passage && placeLine(text, metadata, passage[0]), before, whole, after);
}

const lineStart = (text, offset) => (offset <= 0 ? 0 : text.lastIndexOf("\n", offset) + 1 || safe(text, offset));
const lineEnd = (text, offset) => {
  if (offset >= text.length) return text.length;
  const end = text.indexOf("\n", offset);
  return end < 0 || end > offset + AROUND ? safe(text, offset) : end + 1;
};
/** An offset that does not fall into a pair of surrogates. */
const safe = (text, offset) => (/[\uDC00-\uDFFF]/.test(text[offset] ?? "") ? offset + 1 : offset);

/** A part of the text, with a line where a page begins, and the passage as a mark. */
function nodesOf(text, from, to, passage) {
  const paged = text.includes(PAGE);
  let page = paged ? text.slice(0, from).split(PAGE).length : 0;
  const cuts = passage ? [from, Math.max(from, passage[0]), Math.min(to, passage[1]), to] : [from, to];
  const nodes = paged && from === 0 ? [pageBreak(page)] : [];
  for (let i = 1; i < cuts.length; i++) {
    const marks = passage !== null && i === 2;
    for (const [place, part] of text.slice(cuts[i - 1], cuts[i]).split(PAGE).entries()) {
      if (place > 0) nodes.push(pageBreak((page += 1)));
      if (part) nodes.push(marks ? element("mark", { className: "sought" }, part) : part);
    }
  }
  return nodes;
}

const pageBreak = (page) => element("span", { className: "page-break" }, `Page ${count(page)}`);

/** Where the passage stands: its page, and the headings above it, as `indexer/outline.py` finds them. */
function placeLine(text, { headings = [], pages, slides }, start) {
  const paged = text.includes(PAGE) || Number.isInteger(pages ?? slides);
  const words = [paged && `Page ${count(text.slice(0, start).split(PAGE).length)}`, headingsOf(text, headings, start)].filter(Boolean).join(", ");
  return words && element("p", { className: "id place", dir: "auto" }, words);
}

function headingsOf(text, headings, start) {
  let [path, behind] = ["", 0];
  for (const steps of [headings].flat()) {
    const heading = String(steps).split(" > ").at(-1);
    const place = findHeading(text, heading, behind);
    if (place < 0 || place > start) break;
    [path, behind] = [String(steps), place + heading.length];
  }
  return path;
}

function findHeading(text, heading, behind) {
  const opens = (place) => place === 0 || text[place - 1] === PAGE || text.slice(0, place).endsWith(SECTION);
  let place = heading ? text.indexOf(heading, behind) : -1;
  while (place >= 0 && !(opens(place) && (text[place + heading.length] ?? "\n") === "\n")) place = text.indexOf(heading, place + 1);
  return place;
}
