// The colours of the map's points, what they mean, and which points a choice among the values keeps.

import { count, element } from "./dom.js";
import { css, grey, hue, ramp } from "./hues.js";

const FAINT = 26; // of 255, the opacity of points that are not kept
const OTHERS = "others";
const NONE = "none";

/**
 * The colour of each point, four bytes each; those that are not kept are faint.
 * @param {object} points
 * @param {object | null} column what they are coloured by; null for clusters
 * @param {(i: number) => boolean} keeps
 */
export function coloursOf(points, column, keeps) {
  const total = points.ids.length;
  const colours = new Uint8Array(4 * total).fill(255);
  const colourOf = column ? shadesOf(column) : categoryShades((i) => points.cluster[i]);
  for (let i = 0; i < total; i++) {
    colours.set(colourOf(i), 4 * i);
    if (!keeps(i)) colours[4 * i + 3] = FAINT;
  }
  return colours;
}

/** Which points a choice of values keeps: those of any of the categories, or between two numbers; all where nothing is chosen, less those without a value where that is the rule (`partial`). */
export function keeperOf(column, keep) {
  if (!column || (!keep.length && !column.partial)) return () => true;
  const { kind, categories, values } = column;
  if (!keep.length) return (i) => values[i] !== null;
  if (kind === "number") {
    const [low, high] = keep[0].split("..").map((end) => (end === "" ? null : Number(end)));
    return (i) => values[i] !== null && (low === null || values[i] >= low) && (high === null || values[i] <= high);
  }
  const chosen = new Set(keep.map((text) => (text === OTHERS ? -1 : text === NONE ? null : categories.findIndex(({ value }) => String(value) === text))));
  return (i) => chosen.has(values[i]);
}

function categoryShades(placeOf) {
  const [none, shades] = [grey(), []];
  return (i) => {
    const at = placeOf(i);
    if (at === null || at < 0) return none;
    return (shades[at] ??= hue(at));
  };
}

function shadesOf({ kind, values }) {
  if (kind === "category") return categoryShades((i) => values[i]);
  const none = grey();
  const { low, high } = endsOf(values);
  const shades = Array.from({ length: 65 }, (_, i) => ramp(i / 64));
  return (i) => (values[i] === null ? none : shades[Math.round(64 * share(values[i], low, high))]);
}

/** The scale of numbers; the outermost hundredth at either end does not stretch it. */
function endsOf(values) {
  const numbers = values.filter((value) => value !== null).sort((a, b) => a - b);
  const at = (quantile) => numbers[Math.min(numbers.length - 1, Math.floor(quantile * numbers.length))];
  return { low: at(0.01), high: at(0.99) };
}

const share = (value, low, high) => (high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5);

/** All clusters with their words and counts, the largest first: what the map says, in words. */
export function clustersOf({ clusters }, goTo) {
  const order = clusters.map((one, i) => ({ ...one, i })).filter(({ documents }) => documents).sort((a, b) => b.documents - a.documents);
  const items = order.map((one) =>
    element("li", {}, element("button", { type: "button", onclick: () => goTo(one) }, swatch(hue(one.i)), element("span", { className: "value", dir: "auto" }, one.words.join(", ") || "unnamed"), element("span", { className: "quiet" }, count(one.documents)))),
  );
  return element("ul", { className: "swatches", "aria-label": "Clusters" }, ...items);
}

const swatch = (rgb) => element("span", { className: "swatch", "--fill": css(rgb) });

/**
 * What the colours of a column mean; its values can be chosen.
 * @param {object} column
 * @param {string[]} keep what is chosen by now
 * @param {(keep: string[]) => void} choose
 */
export function legendOf(column, keep, choose) {
  return column.kind === "number" ? scaleOf(column, keep, choose) : categoriesOf(column, keep, choose);
}

function scaleOf({ field, values }, keep, choose) {
  const { low, high } = endsOf(values);
  const stops = Array.from({ length: 9 }, (_, i) => css(ramp(i / 8))).join(", ");
  const [from, to] = (keep[0] ?? "..").split("..");
  const end = (name, value, limit) => element("input", { type: "number", step: "any", name, value, placeholder: shortNumber(limit), "aria-label": `${field} ${name}`, inputMode: "decimal", onchange });
  const ends = [end("from", from, low), end("to", to, high)];
  function onchange() {
    const [first, last] = ends.map(({ value }) => value);
    choose(first || last ? [`${first}..${last}`] : []);
  }
  return element(
    "div",
    {},
    element("div", { className: "legend" }, element("span", {}, field), element("div", { className: "ramp", "--stops": `linear-gradient(to right, ${stops})` }), element("div", { className: "ends" }, element("span", {}, shortNumber(low)), element("span", {}, shortNumber(high)))),
    element("div", { className: "range" }, ends[0], element("span", { "aria-hidden": "true" }, "to"), ends[1]),
  );
}

const shortNumber = (value) => String(Number.isInteger(value) ? value : Number(value?.toPrecision(4)));

function categoriesOf({ field, categories, values }, keep, choose) {
  const others = values.filter((value) => value === -1).length;
  const none = values.filter((value) => value === null).length;
  const rows = [
    ...categories.map(({ value, documents }, i) => [hue(i), String(value), documents]),
    ...(others ? [[grey(), OTHERS, others]] : []),
    ...(none ? [[grey(), NONE, none]] : []),
  ];
  const toggled = (text) => (keep.includes(text) ? keep.filter((one) => one !== text) : [...keep, text]);
  const items = rows.map(([rgb, text, documents]) =>
    element("li", {}, element("button", { type: "button", "aria-pressed": String(keep.includes(text)), dataset: { value: text }, title: `Only ${field} = ${text}`, onclick: () => choose(toggled(text)) }, swatch(rgb), element("span", { className: "value", dir: "auto" }, text), element("span", { className: "quiet" }, count(documents)))),
  );
  return element("ul", { className: "swatches", "aria-label": `Values of ${field}` }, ...items);
}
