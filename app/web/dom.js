// Elements made as nodes: what a service sends is only ever text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with properties and children. `dataset` is merged, `aria-*`, `role`, `for` and `list` become attributes,
 * `on*` listeners, `--*` custom properties; anything else is a property of the element.
 * @param {string} name
 * @param {Record<string, unknown>} [properties]
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) set(made, key, value);
  made.append(...children.filter(isShown).map(asNode));
  return made;
}

/** An SVG element with attributes and children. */
export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

function set(made, key, value) {
  if (value === null || value === undefined) return;
  if (key === "dataset") Object.assign(made.dataset, value);
  else if (key.startsWith("--")) made.style.setProperty(key, String(value));
  else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
  else if (key.startsWith("aria-") || ["role", "for", "list"].includes(key)) made.setAttribute(key, value);
  else made[key] = value;
}

const isShown = (child) => child !== null && child !== undefined && child !== false;
const asNode = (child) => (child instanceof Node ? child : String(child));

/** The element of that id; the page's own ids are always there. */
export const byId = (id) => document.getElementById(id);

/** 1234567 as the reader's language writes it. */
export const count = (n) => n.toLocaleString();

/** "1 hit", "2 hits". */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

const ORDINALS = new Intl.PluralRules("en", { type: "ordinal" });
const ENDINGS = { one: "st", two: "nd", few: "rd", other: "th" };

/** "1st", "2nd". */
export const ordinal = (n) => `${count(n)}${ENDINGS[ORDINALS.select(n)]}`;

/** Bytes in the unit that keeps them short: the rule of `readable_bytes` in indexer/sizes.py. */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [short, power] = [bytes, 0];
  for (; short >= (power ? 999.95 : 999.5) && power < units.length - 1; power += 1) short /= 1000;
  return `${short.toFixed(power ? 1 : 0)} ${units[power]}`;
}

/** A number with a true minus sign, so that columns of scores line up. */
export const figure = (value, digits = 3) => value.toFixed(digits).replace("-", "\u2212");

/** A time in milliseconds, in as many figures as it deserves. */
export const milliseconds = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10_000 ? `${count(Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`);
