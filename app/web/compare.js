// The second view: texts held against each other, as a heat map with its values.

import { asCurl, Problem, request } from "./api.js";
import { cellColours, palette, scaleOf } from "./colours.js";
import { byId, count, element, figure, plural } from "./dom.js";
import { curlNotice, emptyNotice, problemNotice, rightsNotice } from "./notices.js";
import { may } from "./offers.js";

/** More table cells than this make browsers stumble. */
const MAX_CELLS = 40_000;

const EXAMPLE = [
  "How do I open a file?",
  "Reading text from disk",
  "Parse a JSON document",
  "Decode a string of JSON",
  "The cat sleeps on the sofa",
  "A kitten is napping",
  "Stock prices fell sharply today",
].join("\n");

const LABELS = {
  cosine: "Cosine similarity",
  cosine_distance: "Cosine distance",
  dot: "Dot product",
  euclidean: "Euclidean distance",
  manhattan: "Manhattan distance",
  mahalanobis: "Mahalanobis distance",
  negative_squared_euclidean: "Negative squared Euclidean",
};

/** Matrices that every answer has, or that come with a temperature, by the measure they hold. */
const ALWAYS = { cosine: "similarity", cosine_distance: "distance" };

/** How each measure is drawn: whether its sign matters, the ends it is bound to, which way is closer. */
const MEASURES = {
  cosine: { signed: true, bound: 1, closer: 1 },
  cosine_distance: { signed: false, bound: 2, closer: -1 },
  dot: { signed: true, closer: 1 },
  negative_squared_euclidean: { signed: true, closer: 1 },
  probabilities: { signed: false, bound: 1, closer: 1 },
};
const DISTANCE = { signed: false, closer: -1 };

/**
 * The compare view. `navigate` is told what the reader asks for; `show` shows what an address asks for.
 * @param {(patch: object) => void} navigate
 */
export function compareView(navigate) {
  const form = byId("compare");
  let asked = null;
  let running = null;
  let drawn = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  for (const id of ["measure", "temperature"]) byId(id).addEventListener("change", () => byId("texts").value.trim() && submit());
  byId("shown").addEventListener("change", draw);
  byId("example").addEventListener("click", () => {
    byId("texts").value = EXAMPLE;
    byId("against").value = "";
    submit();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  function submit() {
    if (!form.reportValidity()) return;
    navigate({ texts: byId("texts").value, against: byId("against").value, measure: byId("measure").value, temperature: byId("temperature").value });
  }

  /** Shows the comparison of a state, unless it is shown already. */
  async function show(state, { measures, caller }) {
    form.hidden = !may(caller, "admin");
    if (form.hidden) return byId("heat").replaceChildren(rightsNotice("compare texts", caller, "admin"));
    const wanted = JSON.stringify([state.collection, state.texts, state.against, state.measure, state.temperature]);
    if (wanted === asked) return;
    asked = wanted;
    fillIn(state, measures);
    running?.abort();
    clear();
    const [a, b] = [linesOf(state.texts), linesOf(state.against)];
    const cells = a.length * (b.length || a.length);
    if (cells > MAX_CELLS) fail(new Problem("That is too large for a page", `${count(cells)} values, at most ${count(MAX_CELLS)} can be shown; the API gives more.`));
    else if (a.length) await run(state, a, b);
  }

  async function run(state, a, b) {
    running = new AbortController();
    const measure = byId("measure").value;
    const body = bodyOf(state, a, b, measure);
    const path = "admin/similarity";
    byId("matrix").setAttribute("aria-busy", "true");
    try {
      const answer = await request(path, { body, signal: running.signal });
      drawn = { answer, a, b: b.length ? b : a, measure, itself: !b.length, curl: asCurl(path, body) };
      draw();
    } catch (reason) {
      if (reason.name === "AbortError") return;
      fail(reason);
    }
    byId("matrix").setAttribute("aria-busy", "false");
  }

  function draw() {
    if (!drawn) return;
    byId("shown").hidden = !drawn.answer.probabilities;
    const chosen = drawn.answer.probabilities ? document.querySelector("#shown input:checked").value : "measure";
    const name = chosen === "probabilities" ? chosen : drawn.measure;
    const map = heatMap(valuesOf(drawn.answer, name), drawn, name);
    byId("matrix-summary").replaceChildren(...map.summary);
    byId("heat").replaceChildren(map.legend, map.table, map.readout, curlNotice(drawn.curl));
  }

  function fail(reason) {
    clear();
    byId("heat").replaceChildren(problemNotice(reason, () => ((asked = null), submit())));
    if (!reason.status && !reason.title) throw reason;
  }

  function clear() {
    drawn = null;
    byId("shown").hidden = true;
    byId("matrix-summary").replaceChildren();
    byId("heat").replaceChildren(emptyNotice("Which of these mean the same?", element("p", {}, "Paste some texts, one per line. Every pair gets a value: 1 is the same direction, 0 has nothing to do with it, below 0 points the other way.")));
  }

  return { show, focus: () => byId("texts").focus() };
}

const linesOf = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

function fillIn(state, measures) {
  byId("texts").value = state.texts;
  byId("against").value = state.against;
  byId("temperature").value = state.temperature;
  const options = measures.map((name) => element("option", { value: name, selected: name === (state.measure ?? "cosine") }, LABELS[name] ?? name));
  byId("measure").replaceChildren(...options);
}

function bodyOf(state, a, b, measure) {
  return {
    a,
    ...(b.length && { b }),
    ...(!ALWAYS[measure] && { metrics: [measure] }),
    ...(state.temperature && { temperature: Number(state.temperature) }),
    collection: state.collection,
  };
}

const valuesOf = (answer, name) => answer[ALWAYS[name] ?? name] ?? answer.metrics[name];

/** A matrix as a legend, a table with coloured cells, a line that says the cell pointed at, and a summary. */
function heatMap(rows, { a, b, itself }, name) {
  const measure = MEASURES[name] ?? DISTANCE;
  const scale = scaleOf(rows, measure);
  const label = name === "probabilities" ? "Probability" : LABELS[name] ?? name;
  const readout = element("p", { className: "readout", "aria-hidden": "true" }, "\u00a0");
  const table = element(
    "table",
    { className: "heat", "--columns": b.length },
    element("caption", { className: "unseen" }, `${label} of ${plural(a.length, "text")}${itself ? " with each other" : ` with ${plural(b.length, "text")}`}`),
    element("thead", {}, headRow(b)),
    element("tbody", {}, ...rows.map((row, i) => bodyRow(row, i, a[i], scale, measure))),
  );
  pointable(table, readout, (i, j) => `\u201c${a[i]}\u201d \u2013 \u201c${b[j]}\u201d: ${label.toLowerCase()} ${figure(rows[i][j], 4)}`);
  return {
    summary: summaryOf(rows, a, b, itself, measure),
    legend: legendOf(scale, measure, label),
    table: element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `${label}, table` }, table),
    readout,
  };
}

function headRow(texts) {
  const heads = texts.map((text, j) => element("th", { scope: "col", title: text }, element("span", { className: "ordinal" }, j + 1), element("span", { className: "label", dir: "auto" }, text)));
  return element("tr", {}, element("td"), ...heads);
}

function bodyRow(values, i, text, scale, measure) {
  const cells = values.map((value, j) => cell(value, j, scale, measure));
  return element("tr", {}, element("th", { scope: "row", title: text }, element("span", { className: "ordinal" }, i + 1), element("span", { className: "label", dir: "auto" }, text)), ...cells);
}

function cell(value, column, scale, { closer }) {
  const { fill, text } = cellColours(colourAt(scale, value, closer));
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return element("td", { dataset: { value: String(value), column: String(column) }, "--fill": fill, "--text": text }, figure(value, digits));
}

/** Of a distance, small is strong: zero has the colour of a similarity of one. */
const colourAt = (scale, value, closer) => (closer > 0 ? scale.at(value) : 1 - scale.at(value));

function pointable(table, readout, words) {
  const point = ({ target }) => {
    const found = target.closest("td[data-value]");
    for (const marked of table.querySelectorAll(".pointed")) marked.classList.remove("pointed");
    readout.textContent = "\u00a0";
    if (!found) return;
    const [row, column] = [found.parentElement, Number(found.dataset.column)];
    row.firstElementChild.classList.add("pointed");
    table.tHead.rows[0].cells[column + 1].classList.add("pointed");
    readout.textContent = words(row.sectionRowIndex, column);
  };
  table.addEventListener("pointerover", point);
  table.addEventListener("click", point);
}

function legendOf(scale, { signed, closer }, label) {
  const steps = Array.from({ length: 21 }, (_, i) => (signed ? (i - 10) / 10 : i / 20)).map((at) => (closer > 0 ? at : 1 - at));
  const stops = steps.map((at) => cellColours(at, palette()).fill).join(", ");
  const ends = [scale.low, ...(signed ? [0] : []), scale.high];
  return element(
    "div",
    { className: "legend", "--stops": `linear-gradient(to right, ${stops})` },
    element("span", { className: "name" }, label),
    element("span", { className: "ramp", "aria-hidden": "true" }),
    element("span", { className: "ends" }, ...ends.map((end) => element("span", {}, figure(end, Number.isInteger(end) ? 0 : 2)))),
  );
}

/** The closest and the farthest pair of different texts. */
function summaryOf(rows, a, b, itself, { closer }) {
  const pairs = rows.flatMap((row, i) => row.map((value, j) => ({ i, j, value }))).filter(({ i, j }) => !itself || i < j);
  if (!pairs.length) return ["One text has no one to be compared with: add a line."];
  const best = pairs.reduce((x, y) => ((y.value - x.value) * closer > 0 ? y : x));
  const worst = pairs.reduce((x, y) => ((y.value - x.value) * closer < 0 ? y : x));
  const names = ({ i, j }) => (itself ? `${i + 1} and ${j + 1}` : `row ${i + 1}, column ${j + 1}`);
  const named = (pair) => [element("b", {}, names(pair)), ` (${figure(pair.value, 2)})`];
  const farthest = pairs.length > 1 ? ["; farthest ", ...named(worst)] : [];
  return [element("strong", {}, plural(pairs.length, "pair")), " \u00b7 closest ", ...named(best), ...farthest];
}
