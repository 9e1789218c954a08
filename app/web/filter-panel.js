// The filter of a search: the collection's fields to choose from, chips that show what was chosen, fields to
// add any condition, and the whole as JSON.

import { byId, element, plural } from "./dom.js";
import { countsFor } from "./facet-counts.js";
import { facetGroups } from "./facets.js";
import { fieldsOf, isConstant } from "./fields.js";
import { chipsOf, FilterProblem, parseFilter, valueOf, withCondition, without } from "./filters.js";

const LONGEST = 80;

/**
 * The panel. `changed` is called when a condition was added or taken away.
 * @param {() => void} changed
 */
export function filterPanel(changed) {
  const text = byId("filter");
  const toggle = byId("filter-toggle");
  const panel = byId("filter-panel");
  let asked = null;
  let fields = [];
  let collection = null;
  let documents = 0;
  let search = null; // whose hits are shown
  let counts = null; // of values among them
  let counting = null;
  const wanted = new Map(); // what is typed to find values, by field

  byId("filter-close").addEventListener("click", () => (open(false), toggle.focus()));
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") byId("filter-close").click();
  });
  toggle.addEventListener("click", () => open(toggle.getAttribute("aria-expanded") !== "true"));
  text.addEventListener("input", () => showState());
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) text.form.requestSubmit();
  });
  byId("add-condition").addEventListener("click", add);
  byId("value").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add();
  });
  byId("field").addEventListener("input", () => suggest("values", (fieldNamed(byId("field").value)?.common ?? []).map(({ value }) => value)));

  const fieldNamed = (name) => fields.find((field) => field.name === name);

  function open(wide) {
    toggle.setAttribute("aria-expanded", String(wide));
    panel.hidden = !wide;
    panel.parentElement.classList.toggle("beside", wide);
    if (wide) learn().then(count);
  }

  /** Counts the values for the query, while they are looked at. */
  async function count() {
    counting?.abort();
    if (!search || panel.hidden || !fields.length) return tellCounted(null);
    counting = new AbortController();
    const { signal } = counting;
    byId("counted").setAttribute("aria-busy", "true");
    const { path, body } = search;
    try {
      tellCounted(await countsFor(path, body, fields.filter((field) => !isConstant(field, documents)).map(({ name }) => name), signal));
    } catch (reason) {
      if (reason.name !== "AbortError") tellCounted(null); // then they are the collection's
    }
  }

  function tellCounted(told) {
    counts = told?.byName ?? null;
    byId("counted").setAttribute("aria-busy", "false");
    const what = !told ? "Counts are of the whole collection." : search.body.mode === "lexical" ? `Counts are of the ${plural(told.documents, "document")} with a word of the query.` : `Counts are of the ${told.documents} best for the query.`;
    byId("counted").textContent = what;
    showFacets();
  }

  /** Asks for the collection's fields, once for each collection. */
  async function learn() {
    if (asked === collection) return;
    const name = (asked = collection);
    fields = [];
    wanted.clear();
    showFacets();
    byId("facets").setAttribute("aria-busy", "true");
    try {
      const told = await fieldsOf(name);
      if (name === collection) fields = told;
    } catch {
      asked = null; // they are a courtesy: a condition can be written without them, and they are asked for again
    }
    byId("facets").setAttribute("aria-busy", "false");
    suggest("fields", fields.map(({ name }) => name));
    showFacets();
  }

  /** Shows the fields with what is chosen; the focus stays where it was. */
  function showFacets() {
    if (problemOf(text.value) !== null) return;
    const focused = placeOf(document.activeElement);
    const { selectionStart: caret, value: typed } = document.activeElement;
    byId("facets").replaceChildren(...facetGroups({ fields, documents, filter: value(), wanted, counts }, put, showFacets));
    const again = focused && byId("facets").querySelector(focused);
    again?.focus();
    if (again?.matches("input")) again.value = typed; // which nobody was told of yet
    if (again?.type === "search") again.setSelectionRange(caret, caret);
  }

  function add() {
    const field = byId("field").value.trim();
    const operator = byId("operator").value;
    if (!field) return byId("field").focus();
    if (!check()) return text.focus();
    put(withCondition(value(), field, operator, valueOf(byId("value").value, operator, fieldNamed(field)?.kinds)));
    byId("field").value = byId("value").value = "";
    byId("field").focus();
  }

  function put(filter) {
    text.value = filter ? JSON.stringify(filter) : "";
    showState();
    changed();
  }

  function showState() {
    const problem = problemOf(text.value);
    byId("filter-problem").textContent = problem ?? "";
    text.setAttribute("aria-invalid", String(problem !== null));
    if (problem !== null) return;
    showChips();
    showFacets();
  }

  function showChips() {
    const filter = value();
    const chips = chipsOf(filter);
    byId("chips").replaceChildren(...chips.map((chip) => element("li", {}, chipButton(chip, () => put(without(filter, chip))))));
    toggle.classList.toggle("active", chips.length > 0);
    toggle.textContent = chips.length ? `Filter (${chips.length})` : "Filter";
  }

  const value = () => parseFilter(text.value);

  /** Whether the filter can be used; opens the panel at its problem if not. */
  function check() {
    const sound = problemOf(text.value) === null;
    if (sound) return true;
    open(true);
    byId("any-condition").open = true;
    return false;
  }

  function fill(filter, name, total) {
    documents = total;
    if (name !== collection) [collection, asked] = [name, null];
    text.value = filter;
    showState();
    search = null;
    if (!check() || !panel.hidden) learn();
  }

  /** Counts are of this search from now on. */
  function follow(path, body) {
    search = path && { path, body };
    return count();
  }

  return { check, fill, follow, forget: () => (asked = null), text: () => (value() ? JSON.stringify(value()) : ""), value: () => (check() ? value() : null) };
}

function problemOf(text) {
  try {
    parseFilter(text);
    return null;
  } catch (problem) {
    if (problem instanceof FilterProblem) return problem.message;
    throw problem;
  }
}

function chipButton({ label }, remove) {
  return element("button", { type: "button", className: "chip", title: "Take this condition away", "aria-label": `Take away: ${label}`, onclick: remove }, element("span", {}, label), element("span", { className: "cross", "aria-hidden": "true" }, "\u00d7"));
}

/** A selector for an element among the facets, null for any other. */
function placeOf(found) {
  const group = found?.closest(".facet");
  if (!group) return null;
  if (found.type === "search") return `[data-field="${CSS.escape(group.dataset.field)}"] [type=search]`;
  const own = found.dataset.value === undefined ? `[name="${found.name}"]` : `[data-value="${CSS.escape(found.dataset.value)}"]`;
  return `[data-field="${CSS.escape(group.dataset.field)}"] ${own}`;
}

function suggest(id, values) {
  const texts = values.map(String).filter((value) => value.length <= LONGEST);
  byId(id).replaceChildren(...texts.map((value) => element("option", { value })));
}
