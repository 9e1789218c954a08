// The view of all collections, each at a glance, and the way into one.

import { Problem } from "./api.js";
import { byId, element, plural } from "./dom.js";
import { figuresOf } from "./figures.js";
import { command, emptyNotice, problemNotice } from "./notices.js";

/**
 * The view of the collections.
 * @param {(patch: object) => void} navigate
 * @param {() => Promise<object>} refresh what the service offers, asked anew
 */
export function collectionsView(navigate, refresh) {
  const place = byId("collections");

  async function show(state) {
    place.setAttribute("aria-busy", "true");
    try {
      const { collections } = await refresh();
      place.replaceChildren(...listOf(collections, state.collection));
    } catch (problem) {
      place.replaceChildren(problemNotice(problem, () => show(state)));
    }
    place.setAttribute("aria-busy", "false");
  }

  function listOf(collections, chosen) {
    if (!collections.length) return [emptyNotice("No collection yet", element("p", {}, "Make one from files of your own:"), command("bearing index PATH"))];
    return [
      element("p", { className: "summary" }, element("strong", {}, plural(collections.length, "collection"))),
      element("ul", { className: "collections", "aria-label": "Collections" }, ...collections.map((one) => cardOf(one, chosen))),
    ];
  }

  function cardOf(collection, chosen) {
    const { name, error } = collection;
    const search = element("button", { type: "button", onclick: () => navigate({ view: "search", collection: name, query: "", like: [], filter: "" }), "aria-label": `Search in ${name}` }, "Search");
    return element(
      "li",
      { dataset: { name } },
      element("h2", { dir: "auto" }, name, name === chosen && element("span", { className: "chosen" }, " chosen")),
      error ? problemNotice(new Problem("It cannot be opened", error)) : figuresOf(collection),
      !error && search,
    );
  }

  return { show };
}
