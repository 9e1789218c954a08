// The fields of a collection as conditions to choose: values with their counts, ranges of numbers and moments.

import { count, element, plural } from "./dom.js";
import { chosenValues, rangeOf, withRange, withValueToggled } from "./filters.js";

const LONGEST = 40;
/** Numbers, or moments, of a field with more values than this are asked for as a range. */
const FEW = 12;
/** Of a field with more values than this the commonest are a small part: only these many are shown. */
const MANY = 50;
const SHOWN_OF_MANY = 8;

/**
 * A group for each field that has something to choose.
 * @param {object[]} fields as the service tells them
 * @param {object | null} filter what is chosen by now
 * @param {(filter: object | null) => void} choose is given the filter that is wanted instead
 */
export function facetGroups(fields, filter, choose) {
  return fields.map((field) => groupOf(field, filter, choose)).filter(Boolean);
}

function groupOf(field, filter, choose) {
  const chosen = chosenValues(filter, field.name);
  const isShown = ({ value }, place) => field.distinct <= MANY || place < SHOWN_OF_MANY || chosen.includes(value);
  const ranged = field.smallest !== null && field.smallest !== field.largest && field.distinct > FEW;
  const values = (ranged ? field.common.filter(({ value }) => !isInRange(field, value)) : field.common).filter(isShown);
  const parts = [ranged && rangeFields(field, filter, choose), values.length > 0 && valueList(field, values, filter, choose)].filter(Boolean);
  return parts.length > 0 && element("fieldset", { className: "facet", dataset: { field: field.name } }, element("legend", {}, element("span", { dir: "auto" }, field.name), " ", inAll(field)), ...parts);
}

/** Whether a value is one of those between the field's ends; moments cannot be told from other strings beside them. */
const isInRange = ({ smallest, kinds }, value) => typeof value === typeof smallest && !(typeof value === "string" && kinds.includes("string"));

const inAll = ({ distinct }) => element("span", { className: "quiet" }, plural(distinct, "value"));

function valueList(field, values, filter, choose) {
  const chosen = chosenValues(filter, field.name);
  const items = values.map((one) => element("li", {}, valueButton(field, one, chosen.includes(one.value), () => choose(withValueToggled(filter, field.name, one.value)))));
  const more = field.distinct - values.length;
  const rest = more > 0 && field.smallest === null && element("li", { className: "quiet" }, `and ${count(more)} more`);
  return element("ul", { "aria-label": `Values of ${field.name}` }, ...items, rest);
}

function valueButton(field, { value, documents }, pressed, onclick) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}\u2026` : text;
  const title = `${plural(documents, "document")} with ${field.name} = ${text}`;
  return element(
    "button",
    { type: "button", "aria-pressed": String(pressed), title, onclick, dataset: { value: text } },
    element("span", { dir: "auto" }, short || "\u201c\u201d"),
    element("span", { className: "tally" }, count(documents)),
  );
}

function rangeFields(field, filter, choose) {
  const [low, high] = rangeOf(filter, field.name);
  const isNumber = typeof field.smallest === "number";
  const kind = isNumber ? { type: "number", step: "any", inputMode: "decimal" } : { type: "text" };
  const end = (name, value, limit) => element("input", { ...kind, name, value: value ?? "", placeholder: String(limit), "aria-label": `${field.name} ${name}`, onchange });
  const from = end("from", low, field.smallest);
  const to = end("to", high, field.largest);
  const ends = [from, to];
  function onchange() {
    const [first, last] = ends.map((input) => (input.value === "" || input.validity.badInput ? null : isNumber ? input.valueAsNumber : input.value.trim() || null));
    choose(withRange(filter, field.name, first, last));
  }
  return element("div", { className: "range" }, from, element("span", { "aria-hidden": "true" }, "to"), to);
}
