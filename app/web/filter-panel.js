// The filter of a search: a JSON field, chips that show its parts, and fields to add one.

import { request } from "./api.js";
import { byId, element } from "./dom.js";
import { chipsOf, FilterProblem, parseFilter, valueOf, withCondition, without } from "./filters.js";

const SAMPLE = 100;

/**
 * The panel. `changed` is called when a condition was added or taken away.
 * @param {() => void} changed
 */
export function filterPanel(changed) {
  const text = byId("filter");
  const toggle = byId("filter-toggle");
  let sampled = null;
  let known = new Map();
  let collection = null;

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
  byId("field").addEventListener("input", () => suggest("values", known.get(byId("field").value) ?? []));

  function open(wide) {
    toggle.setAttribute("aria-expanded", String(wide));
    byId("filter-panel").hidden = !wide;
    if (wide) sample();
  }

  /** Learns fields and values from the collection's first documents, for suggestions. */
  async function sample() {
    if (sampled === collection) return;
    sampled = collection;
    try {
      const { documents } = await request(`collections/${encodeURIComponent(collection)}/documents?limit=${SAMPLE}`);
      known = fieldsOf(documents);
    } catch {
      known = new Map(); // suggestions are a courtesy: the field works without them
    }
    suggest("fields", [...known.keys()]);
  }

  function add() {
    const field = byId("field").value.trim();
    const operator = byId("operator").value;
    if (!field) return byId("field").focus();
    if (!check()) return text.focus();
    put(withCondition(value(), field, operator, valueOf(byId("value").value, operator, known.get(field))));
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
    if (problem === null) showChips();
  }

  function showChips() {
    const filter = value();
    const chips = chipsOf(filter);
    byId("chips").replaceChildren(...chips.map((chip) => element("li", {}, chipButton(chip, () => put(without(filter, chip))))));
    toggle.classList.toggle("active", chips.length > 0);
  }

  const value = () => parseFilter(text.value);

  /** Whether the filter can be used; opens the panel at its problem if not. */
  function check() {
    const sound = problemOf(text.value) === null;
    if (!sound) open(true);
    return sound;
  }

  function fill(filter, name) {
    if (name !== collection) [collection, sampled] = [name, null];
    text.value = filter;
    showState();
    if (!check() || !byId("filter-panel").hidden) sample();
  }

  return { check, fill, text: () => (value() ? JSON.stringify(value()) : ""), value: () => (check() ? value() : null) };
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

/** The values that each metadata field has in these documents. */
function fieldsOf(documents) {
  const fields = new Map();
  for (const { metadata } of documents) {
    for (const [field, value] of Object.entries(metadata ?? {})) {
      fields.set(field, [...(fields.get(field) ?? []), ...[value].flat()]);
    }
  }
  return fields;
}

function suggest(id, values) {
  const texts = [...new Set(values.map(String))].filter((value) => value.length <= 80).slice(0, SAMPLE);
  byId(id).replaceChildren(...texts.map((value) => element("option", { value })));
}
