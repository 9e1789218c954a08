// The view of all collections as a table, and the way into one.

import { Problem, request } from "./api.js";
import { ask, field } from "./dialogs.js";
import { byId, element, plural } from "./dom.js";
import { COLUMNS, remarksOf } from "./figures.js";
import { command, emptyNotice, problemNotice } from "./notices.js";
import { modelsSection, rollbackButton } from "./models.js";
import { may } from "./offers.js";

const EVALUATED = "evaluate-";
const NAME = "[A-Za-z0-9][A-Za-z0-9_\\-]{0,63}"; // as the service has it; it only speaks sooner

/**
 * The view of the collections.
 * @param {(patch: object) => void} navigate
 * @param {() => Promise<object>} refresh what the service offers, asked anew
 * @param {() => Promise<object>} changed the same, to be called when a collection came or went
 */
export function collectionsView(navigate, refresh, changed) {
  const place = byId("collections");

  async function show(state) {
    place.setAttribute("aria-busy", "true");
    try {
      const offers = await refresh();
      const again = async () => (await changed(), await show(state));
      const models = await modelsSection(state.collection, may(offers.caller, "admin"), again);
      place.replaceChildren(...contentsOf(offers, state, again), ...(models ? [models] : []));
    } catch (problem) {
      place.replaceChildren(problemNotice(problem, () => show(state)));
    }
    place.setAttribute("aria-busy", "false");
  }

  function contentsOf({ collections: named, caller, languages }, state, again) {
    const collections = named.filter(({ aliasOf }) => !aliasOf);
    const [mayWrite, mayManage] = [may(caller, "write"), may(caller, "admin")];
    const make = async () => {
      const made = await askForNew(collections, languages);
      if (!made) return;
      await changed();
      await navigate({ view: "add", collection: made.name });
      byId("choose-files").focus();
    };
    return [
      element(
        "div",
        { className: "heading" },
        element("p", { className: "summary", role: "status" }, element("strong", {}, plural(collections.length, "collection"))),
        mayManage ? element("button", { type: "button", id: "new-collection", onclick: make }, "New collection") : element("p", { className: "quiet" }, "Making and deleting them needs a key that may admin."),
      ),
      ...tablesOf(collections, (one) => rowOf(one, state, mayWrite, mayManage, again)),
    ];
  }

  function rowOf(collection, state, mayWrite, mayManage, again) {
    const { name, error } = collection;
    const remove = async () => {
      if (!(await askToDelete(collection))) return;
      const { usual } = await changed();
      await navigate({ collection: name === state.collection ? usual.collection : state.collection });
      byId("new-collection").focus();
    };
    return element(
      "tr",
      { dataset: { name } },
      element("th", { scope: "row" }, ...nameOf(collection, state)),
      ...(error ? [element("td", { colSpan: Object.keys(COLUMNS).length }, problemNotice(new Problem("It cannot be opened", error)))] : cellsOf(collection)),
      element(
        "td",
        { className: "actions" },
        mayWrite && !error && element("button", { type: "button", className: "add", onclick: () => navigate({ view: "add", collection: name }), "aria-label": `Add documents to ${name}` }, "Add"),
        !error && collection.documents > 1 && element("button", { type: "button", className: "duplicates-of", onclick: () => navigate({ view: "duplicates", collection: name }), "aria-label": `Duplicates in ${name}` }, "Duplicates"),
        mayManage && !error && rollbackButton(collection, again),
        mayManage && !error && element("button", { type: "button", className: "delete", onclick: remove, "aria-label": `Delete ${name}` }, "Delete"),
      ),
    );
  }

  function nameOf(collection, state) {
    const { name, error } = collection;
    const remarks = error ? [] : remarksOf(collection);
    return [
      error ? element("span", { dir: "auto" }, name) : element("button", { type: "button", className: "into", dir: "auto", onclick: () => enter(name), title: `Search in ${name}` }, name),
      [name, ...(collection.aliases ?? [])].includes(state.collection) && element("span", { className: "chosen" }, " chosen"),
      ...remarks.map(([text, title]) => element("span", { className: "remark", title }, text)),
    ].filter(Boolean);
  }

  const enter = (name) => navigate({ view: "search", collection: name, query: "", like: [], image: null, filter: "" });

  return { show };
}

/** The collections as a table; those that `bearing evaluate` made are apart, and folded up. */
function tablesOf(collections, rowOf) {
  const [evaluated, own] = [true, false].map((wanted) => collections.filter(({ name }) => name.startsWith(EVALUATED) === wanted));
  return [
    own.length ? tableOf("Collections", own.map(rowOf)) : noCollections(),
    evaluated.length > 0 && element("details", { className: "evaluated" }, element("summary", {}, `${plural(evaluated.length, "collection")} of evaluations`), tableOf("Collections of evaluations", evaluated.map(rowOf))),
  ].filter(Boolean);
}

const tableOf = (label, rows) =>
  element(
    "table",
    { className: "collection-table", "aria-label": label },
    element("thead", {}, element("tr", {}, ...["Name", ...Object.keys(COLUMNS)].map((head) => element("th", { scope: "col" }, head)), element("th", { scope: "col" }, element("span", { className: "unseen" }, "Actions")))),
    element("tbody", {}, ...rows),
  );

const cellsOf = (collection) =>
  Object.entries(COLUMNS).map(([label, tell]) => {
    const [text, title] = tell(collection);
    return element("td", { dataset: { label }, title }, text);
  });

const noCollections = () => emptyNotice("No collection yet", element("p", {}, "Make one from files of your own:"), command("bearing index PATH"));

/** Asks for a new collection and makes it; what the service tells of it, or null. */
function askForNew(collections, languages) {
  const models = [...new Set(collections.map(({ model }) => model).filter(Boolean))];
  const title = "Letters, digits, - and _, beginning with a letter or a digit; at most 64";
  const fields = [
    field("Name", element("input", { name: "name", required: true, pattern: NAME, title, spellcheck: false, autofocus: true })),
    field("Model", element("input", { name: "model", placeholder: "the service\u2019s own", spellcheck: false, list: "model-names" }), "Its vectors are this model\u2019s for good; bearing reindex moves it to another."),
    element("datalist", { id: "model-names" }, ...models.map((value) => element("option", { value }))),
    languages.length > 0 && field("Language of its words", element("select", { name: "language" }, element("option", { value: "" }, "the service\u2019s own"), ...languages.map((value) => element("option", { value }, value)))),
  ].filter(Boolean);
  return ask({ title: "New collection", fields, action: "Create" }, ({ name, model, language }) =>
    request(`collections/${encodeURIComponent(name)}`, { method: "PUT", body: { ...(model && { model: model.trim() }), ...(language && { language }) } }),
  );
}

/** Asks whether a collection is to go, with its name to be typed where there is something to lose; true once it is gone. */
function askToDelete({ name, documents }) {
  const note = documents ? [element("b", {}, name), ` holds ${plural(documents, "document")}. They and their vectors are deleted for good.`] : [element("b", {}, name), " is empty."];
  const typed = field(`Type ${name} to go on`, element("input", { name: "typed", required: true, pattern: name, title: `The name of the collection: ${name}`, spellcheck: false, autocomplete: "off" }));
  return ask({ title: "Delete this collection?", note, fields: documents ? [typed] : [], action: "Delete", danger: true }, () =>
    request(`collections/${encodeURIComponent(name)}`, { method: "DELETE" }).then(() => true),
  );
}
