// A hit's metadata in short: the few values that tell it from others, each a button that filters by it.

import { element } from "./dom.js";

const MOST = 3;

/** The place of a hit's values, empty until it is known which of them are worth showing. */
export const factsPlace = () => element("ul", { className: "facts", "aria-label": "Metadata" });

/**
 * Fills the places of a list of hits.
 * @param {HTMLElement} list
 * @param {object[]} hits in the order of the list
 * @param {string[] | null} names of the fields to choose from, best first; null for any
 * @param {(field: string, value: unknown) => void} filterBy
 */
export function showFacts(list, hits, names, filterBy) {
  for (const [i, { metadata }] of hits.entries()) {
    const items = shortOf(metadata ?? {}, names).map(([field, value]) => element("li", {}, fact(field, value, filterBy)));
    const place = list.children[i].querySelector(".facts");
    place.replaceChildren(...items);
    place.hidden = !items.length;
  }
}

/** A document's headings are told with its passage. */
function shortOf({ headings, ...metadata }, names) {
  const pairs = (names ?? Object.keys(metadata)).flatMap((field) => [metadata[field] ?? []].flat().map((value) => [field, value]));
  return pairs.slice(0, MOST);
}

function fact(field, value, filterBy) {
  const shown = typeof value === "string" ? value : JSON.stringify(value);
  return element(
    "button",
    { type: "button", title: `Only ${field} = ${shown}`, onclick: () => filterBy(field, value) },
    element("span", { className: "field" }, field),
    element("span", { className: "value", dir: "auto" }, shown),
  );
}
