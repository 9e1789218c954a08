// The fields of a collection as conditions to choose: values with their counts, ranges of numbers and moments.

import { count, element, plural } from "./dom.js";
import { counted } from "./facet-counts.js";
import { isConstant, isRare } from "./fields.js";
import { chosenValues, rangeOf, withRange, withValueToggled } from "./filters.js";

const LONGEST = 40;
/** Numbers, or moments, of a field with more values than this are asked for as a range. */
const FEW = 12;
/** The commonest so many values of a field are shown; the others are found by what is typed. */
const SHOWN = 6;

/**
 * A group for each field that has something to choose: those of few values first, those that few documents have last.
 * @param {{fields: object[], documents: number, filter: object | null, wanted: Map<string, string>, counts: Map<string, object[]> | null}} known the fields as the service tells them, what is chosen by now, what is typed to find values, and how often the query finds them
 * @param {(filter: object | null) => void} choose is given the filter that is wanted instead
 * @param {() => void} changed called when something else was typed
 */
export function facetGroups(known, choose, changed) {
  const { fields, documents } = known;
  const order = (field) => (isRare(field, documents) ? Infinity : field.distinct);
  const choosable = fields.filter((field) => !isConstant(field, documents)).sort((a, b) => order(a) - order(b) || a.distinct - b.distinct);
  return choosable.map((field) => groupOf(field, known, choose, changed)).filter(Boolean);
}

function groupOf(field, { filter, wanted, counts }, choose, changed) {
  const ranged = field.smallest !== null && field.smallest !== field.largest && field.distinct > FEW;
  const all = counted(field.common, counts?.get(field.name));
  const values = ranged ? all.filter(({ value }) => !isInRange(field, value)) : all;
  const parts = [ranged && rangeFields(field, filter, choose), values.length > 0 && valueChoice(field, values, filter, wanted, choose, changed)].filter(Boolean);
  return parts.length > 0 && element("fieldset", { className: "facet", dataset: { field: field.name } }, element("legend", {}, element("span", { dir: "auto" }, field.name), " ", inAll(field)), ...parts);
}

/** Whether a value is one of those between the field's ends; moments cannot be told from other strings beside them. */
const isInRange = ({ smallest, kinds }, value) => typeof value === typeof smallest && !(typeof value === "string" && kinds.includes("string"));

const inAll = ({ distinct }) => element("span", { className: "quiet" }, plural(distinct, "value"));

/** The commonest values, or those with what is typed, and always those that are chosen. */
function valueChoice(field, values, filter, wanted, choose, changed) {
  const chosen = chosenValues(filter, field.name);
  const typed = wanted.get(field.name) ?? "";
  const found = values.filter(({ value }) => asText(value).toLowerCase().includes(typed.toLowerCase()));
  const shown = [...values.filter(({ value }) => chosen.includes(value) && !found.slice(0, SHOWN).some((one) => one.value === value)), ...found.slice(0, SHOWN)];
  const items = shown.map((one) => element("li", {}, valueButton(field, one, chosen.includes(one.value), () => choose(withValueToggled(filter, field.name, one.value)))));
  return element(
    "div",
    {},
    field.distinct > SHOWN && finder(field, typed, wanted, changed),
    element("ul", { "aria-label": `Values of ${field.name}` }, ...items),
    field.distinct > shown.length && element("p", { className: "quiet" }, restOf(field, values, found, shown, typed)),
  );
}

/** How many values are not shown, and where typing would not find one, since it is not among the commonest. */
function restOf({ distinct }, values, found, shown, typed) {
  const among = distinct > values.length ? ` among the commonest ${count(values.length)}` : "";
  if (typed) return found.length ? `${plural(found.length, "value")} found${among}` : `None${among}: see Any condition`;
  return `and ${count(distinct - shown.length)} more`;
}

function finder(field, typed, wanted, changed) {
  const oninput = ({ target }) => (wanted.set(field.name, target.value), changed());
  return element("input", { type: "search", value: typed, placeholder: "Find a value", "aria-label": `Find a value of ${field.name}`, spellcheck: false, autocomplete: "off", oninput });
}

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function valueButton(field, { value, documents }, pressed, onclick) {
  const text = asText(value);
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
