// The filter of a search: the collection's fields to choose from, chips that show what was chosen, fields to
// add any condition, and the whole as JSON.

import { byId, element } from "./dom.js";
import { facetGroups } from "./facets.js";
import { fieldsOf } from "./fields.js";
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
    if (wide) learn();
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
    const caret = document.activeElement.selectionStart;
    byId("facets").replaceChildren(...facetGroups({ fields, documents, filter: value(), wanted }, put, showFacets));
    const again = focused && byId("facets").querySelector(focused);
    again?.focus();
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
    if (!check() || !panel.hidden) learn();
  }

  return { check, fill, forget: () => (asked = null), text: () => (value() ? JSON.stringify(value()) : ""), value: () => (check() ? value() : null) };
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
