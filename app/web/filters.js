// The filter language as the reader meets it: JSON checked as it is typed, and its top-level
// conditions as chips. The service's own check decides; this one only speaks sooner.

const ON_FIELD = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$not"];
const ON_GROUP = ["$and", "$or", "$not"];
const SIGNS = { $eq: "=", $ne: "\u2260", $gt: ">", $gte: "\u2265", $lt: "<", $lte: "\u2264", $in: "in", $nin: "not in" };

/** What is wrong with a filter, and what is allowed there. */
export class FilterProblem extends Error {}

/**
 * The filter that a text means; null for an empty one. Throws FilterProblem.
 * @param {string} text
 */
export function parseFilter(text) {
  if (!text.trim()) return null;
  const filter = fromJson(text);
  checkGroup(filter, "filter");
  return Object.keys(filter).length ? filter : null;
}

function fromJson(text) {
  try {
    return JSON.parse(text);
  } catch (reason) {
    throw new FilterProblem(`Not JSON yet: ${reason.message}.${hint(text)}`);
  }
}

function hint(text) {
  if (/'/.test(text) && !/"/.test(text)) return " JSON wants double quotes.";
  if (/,\s*[}\]]/.test(text)) return " There is a comma before a closing bracket.";
  if (!text.trim().startsWith("{")) return ' A filter looks like {"kind": "class", "year": {"$gte": 2020}}.';
  return /[{,]\s*[\w$]+\s*:/.test(text) ? " Field names need double quotes." : "";
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function checkGroup(group, place) {
  if (!isObject(group)) throw new FilterProblem(`${place}: an object is needed, in { }.`);
  for (const [key, value] of Object.entries(group)) checkEntry(key, value, `${place}.${key}`);
}

function checkEntry(key, value, here) {
  if (key === "$not") checkGroup(value, here);
  else if (ON_GROUP.includes(key)) checkList(value, here);
  else if (key.startsWith("$")) throw unknown(key, here, [...ON_GROUP, "a field\u2019s name"]);
  else if (Array.isArray(value)) throw new FilterProblem(`${here}: for one of several values write {"$in": [\u2026]}.`);
  else if (isObject(value)) checkField(value, here);
}

function checkList(value, here) {
  if (!Array.isArray(value) || !value.length) throw new FilterProblem(`${here}: a list of filters is needed, in [ ].`);
  value.forEach((part, i) => checkGroup(part, `${here}[${i}]`));
}

function checkField(operators, here) {
  if (!Object.keys(operators).length) throw new FilterProblem(`${here}: an operator is needed, one of ${ON_FIELD.join(", ")}.`);
  for (const [name, value] of Object.entries(operators)) {
    const place = `${here}.${name}`;
    if (!ON_FIELD.includes(name)) throw unknown(name, here, ON_FIELD);
    if ((name === "$in" || name === "$nin") !== Array.isArray(value)) {
      throw new FilterProblem(`${place}: ${Array.isArray(value) ? "a single value is needed; for a list use $in" : "a list is needed, in [ ]"}.`);
    }
    if (name === "$exists" && typeof value !== "boolean") throw new FilterProblem(`${place}: true or false is needed.`);
  }
}

const unknown = (name, here, allowed) => new FilterProblem(`${here}: there is no operator ${name}; one of ${allowed.join(", ")}.`);

/**
 * A filter with one more condition, joined by and.
 * @param {object | null} filter
 */
export function withCondition(filter, field, operator, value) {
  const condition = operator === "$eq" ? value : { [operator]: value };
  if (!filter || !(field in filter)) return { ...filter, [field]: condition };
  if (JSON.stringify(filter[field]) === JSON.stringify(condition)) return filter;
  const held = filter[field];
  if (isObject(held) && operator !== "$eq" && !(operator in held)) return { ...filter, [field]: { ...held, ...condition } };
  return { ...filter, $and: [...(filter.$and ?? []), { [field]: condition }] };
}

/** The values of a field that a filter lets through by $eq or $in, where it says so at its top. */
export function chosenValues(filter, field) {
  const held = filter?.[field];
  if (held === undefined) return [];
  if (!isObject(held)) return [held];
  return held.$in ?? ("$eq" in held ? [held.$eq] : []);
}

/** A filter that lets a value of a field through too, or no longer if it did; null if nothing is left. */
export function withValueToggled(filter, field, value) {
  const chosen = chosenValues(filter, field);
  const now = chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value];
  const { $eq, $in, ...others } = isObject(filter?.[field]) ? filter[field] : {};
  return withField(filter, field, now.length === 0 ? others : now.length > 1 ? { ...others, $in: now } : Object.keys(others).length ? { ...others, $eq: now[0] } : now[0]);
}

/** The ends between which a filter wants a field, each null where it is open. */
export function rangeOf(filter, field) {
  const held = isObject(filter?.[field]) ? filter[field] : {};
  return [held.$gte ?? null, held.$lte ?? null];
}

/** A filter that wants a field between two ends, null for one that is open. */
export function withRange(filter, field, low, high) {
  const { $gte, $lte, ...others } = isObject(filter?.[field]) ? filter[field] : {};
  return withField(filter, field, { ...others, ...(low !== null && { $gte: low }), ...(high !== null && { $lte: high }) });
}

function withField(filter, field, condition) {
  const { [field]: _, ...others } = filter ?? {};
  const made = isObject(condition) && !Object.keys(condition).length ? others : { ...others, [field]: condition };
  return Object.keys(made).length ? made : null;
}

/** A filter without one of its chips; null if nothing is left. */
export function without(filter, { key, operator }) {
  const left = { ...filter };
  const { [operator ?? ""]: _, ...others } = isObject(left[key]) ? left[key] : {};
  if (operator && Object.keys(others).length) left[key] = others;
  else delete left[key];
  return Object.keys(left).length ? left : null;
}

/**
 * What joins into a filter, each in short words.
 * @param {object | null} filter
 * @returns {{key: string, operator: string | null, label: string}[]}
 */
export function chipsOf(filter) {
  return Object.entries(filter ?? {}).flatMap(([key, value]) => {
    if (key.startsWith("$")) return [{ key, operator: null, label: `${key.slice(1)} ${JSON.stringify(value)}` }];
    if (!isObject(value)) return [{ key, operator: null, label: `${key} = ${shown(value)}` }];
    return Object.entries(value).map(([operator, operand]) => ({ key, operator, label: inWords(key, operator, operand) }));
  });
}

function inWords(key, operator, operand) {
  if (operator === "$exists") return `${key} ${operand ? "exists" : "is missing"}`;
  if (operator === "$not") return `${key} not ${JSON.stringify(operand)}`;
  return `${key} ${SIGNS[operator]} ${Array.isArray(operand) ? operand.map(shown).join(", ") : shown(operand)}`;
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/**
 * The value that was typed: of the kind that the field has where it is known, else as JSON reads
 * it (2020 is a number, "2020" a string), else the text itself.
 */
export function valueOf(typed, operator, kinds = []) {
  const text = typed.trim();
  if (operator === "$in" || operator === "$nin") return text.split(",").map((part) => valueOf(part, "$eq", kinds));
  if (operator === "$exists") return text !== "false";
  if (kinds.length && kinds.every((kind) => kind === "string" || kind === "moment")) return text.replace(/^"(.*)"$/, "$1");
  try {
    const value = JSON.parse(text);
    return isObject(value) || Array.isArray(value) ? text : value;
  } catch {
    return text;
  }
}
