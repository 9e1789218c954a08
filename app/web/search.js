// The search view: a query and its options, the hits, and what to say where there are none.

import { hashOf } from "./address.js";
import { asCurl, Problem, request } from "./api.js";
import { byId, count, element, plural, size } from "./dom.js";
import { filterPanel } from "./filter-panel.js";
import { withCondition } from "./filters.js";
import { focusOn, hitItems, settle, tapeOf, walkable } from "./hits.js";
import { command, curlNotice, emptyNotice, problemNotice } from "./notices.js";
import { modesOf } from "./offers.js";
import { askWhy } from "./why.js";

/**
 * The search view. `navigate` is told what the reader asks for; `show` shows what an address asks for.
 * @param {(patch: object) => void} navigate
 */
export function searchView(navigate) {
  const form = byId("search");
  const box = byId("query");
  const list = byId("hits");
  const panel = filterPanel(() => submit());
  let asked = null;
  let running = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || !list.firstElementChild) return;
    event.preventDefault();
    focusOn(list.firstElementChild);
  });
  for (const id of ["modes", "k", "exact"]) byId(id).addEventListener("change", () => isAsking() && submit());
  walkable(list, box);

  const isAsking = () => box.value.trim() || box.dataset.like;

  function submit(patch = {}) {
    if (!panel.check() || !form.reportValidity()) return;
    const like = box.value.trim() ? [] : JSON.parse(box.dataset.like || "[]");
    navigate({ query: box.value.trim(), like, k: byId("k").valueAsNumber || 10, mode: chosenMode(), exact: byId("exact").checked, filter: panel.text(), ...patch });
  }

  function fillIn(state, known) {
    box.value = state.query;
    box.dataset.like = state.like.length ? JSON.stringify(state.like) : "";
    box.placeholder = state.like.length ? `More like ${state.like.join(", ")}` : "Ask in your own words";
    byId("k").value = state.k;
    byId("exact").checked = state.exact;
    showModes(modesOf(known.collections.find(({ name }) => name === state.collection)), state.mode);
    panel.fill(state.filter, state.collection);
  }

  /** Shows the search of a state, unless it is shown already. */
  async function show(state, known) {
    const wanted = JSON.stringify([state.collection, state.query, state.like, state.k, state.mode, state.exact, state.filter]);
    if (wanted === asked) return;
    asked = wanted;
    fillIn(state, known);
    running?.abort();
    clear();
    about(state, known);
    if (state.query || state.like.length) await run(state);
  }

  async function run(state) {
    running = new AbortController();
    const { signal } = running;
    const body = bodyOf(state, panel.value());
    const path = `collections/${encodeURIComponent(state.collection)}/search`;
    byId("outcome").setAttribute("aria-busy", "true");
    try {
      const answer = await request(path, { body, signal });
      render(answer, state, (hit) => askWhy(path, body, answer.hits.indexOf(hit), hit.id));
      byId("after").append(curlNotice(asCurl(path, body)));
    } catch (reason) {
      if (reason.name === "AbortError") return;
      fail(reason);
    }
    byId("outcome").setAttribute("aria-busy", "false");
  }

  function render(answer, state, why) {
    const actions = {
      filterBy: (field, value) => submit({ filter: JSON.stringify(withCondition(panel.value(), field, "$eq", value)) }),
      like: (id) => navigate({ query: "", like: [id] }),
      hrefOf: (id) => hashOf(state.collection, id),
      why,
    };
    byId("about").replaceChildren();
    byId("summary").replaceChildren(...summaryOf(answer, state));
    list.replaceChildren(...hitItems(answer, state.query, actions));
    settle(list);
    if (answer.hits.length && answer.mode === "dense") byId("tape").append(tapeOf(answer.hits, list));
    if (!answer.hits.length) byId("after").append(noHits(state));
  }

  function fail(reason) {
    clear();
    byId("after").replaceChildren(problemNotice(reason, () => ((asked = null), submit())));
    if (!reason.status && !reason.title) throw reason;
  }

  function clear() {
    for (const id of ["about", "summary", "tape", "hits", "after"]) byId(id).replaceChildren();
  }

  return { show, focus: () => (box.focus(), box.select()) };
}

const chosenMode = () => document.querySelector("#modes input:checked")?.value ?? null;

function showModes(modes, chosen) {
  const radios = modes.map((mode) =>
    element("label", {}, element("input", { type: "radio", name: "mode", value: mode, checked: mode === (chosen ?? modes[0]) }), element("span", {}, capital(mode))),
  );
  const alone = modes.length === 1;
  byId("modes").className = alone ? "single" : "segments";
  byId("modes").replaceChildren(byId("modes").firstElementChild, ...radios);
}

const capital = (word) => word[0].toUpperCase() + word.slice(1);

function bodyOf(state, filter) {
  const asked = state.query ? { query: state.query } : { like: state.like };
  return {
    ...asked,
    k: state.k,
    ...(filter && { filter }),
    ...(state.mode && state.query && { mode: state.mode }), // examples have no words
    ...(state.exact && { exact: true }),
  };
}

function summaryOf({ hits, mode, exact, truncated, took_ms: took }, state) {
  const what = state.like.length && !state.query ? [" like ", element("b", {}, state.like.join(", "))] : [];
  return [
    element("strong", {}, plural(hits.length, "hit")),
    ...what,
    element("span", { className: "took", title: `Embedding ${took.embed.toFixed(1)} ms, search ${took.search.toFixed(1)} ms` }, ` in ${milliseconds(took.total)}`),
    element("span", { className: "how" }, ` \u00b7 ${mode}, ${exact ? "exact" : "approximate"}`),
    truncated && element("span", { className: "warning" }, " \u00b7 the query is longer than the model reads; its end was left out"),
  ].filter(Boolean);
}

const milliseconds = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : `${count(Math.round(ms))} ms`);

function noHits({ filter }) {
  if (filter) return emptyNotice("No document passes this filter", element("p", {}, "Loosen it or take it away: a search without one always finds something."));
  return emptyNotice("Nothing to find yet", element("p", {}, "This collection is empty. Put documents into it:"), command("bearing index PATH"));
}

/** The collection at a glance, before anything is asked. */
function about(state, { collections }) {
  const found = collections.find(({ name }) => name === state.collection);
  byId("about").replaceChildren(!found ? missing(state, collections) : found.error ? broken(found) : glance(found));
}

const broken = ({ name, error }) => problemNotice(new Problem(`The collection ${name} cannot be opened`, error));

function missing({ collection }, collections) {
  if (!collections.length) return emptyNotice("No collection yet", element("p", {}, "Make one from files of your own, then reload this page:"), command("bearing index PATH"));
  return emptyNotice(`There is no collection ${collection}`, element("p", {}, `Choose another above: ${collections.map(({ name }) => name).join(", ")}.`));
}

function glance({ name, model, dimension, documents, chunks, bytes, truncated }) {
  if (!documents) return noHits({ filter: "" });
  const fact = (term, value) => element("div", {}, element("dt", {}, term), element("dd", {}, value));
  return element(
    "div",
    { className: "glance" },
    element("p", {}, "Find documents in ", element("b", {}, name), " by what they mean, not by the words they share."),
    element(
      "dl",
      {},
      fact("Documents", count(documents)),
      fact("Passages", count(chunks)),
      fact("Model", model),
      fact("Dimensions", count(dimension)),
      fact("On disk", size(bytes)),
      truncated ? fact("Truncated", count(truncated)) : "",
    ),
    element("p", { className: "keys" }, element("kbd", {}, "/"), " to the box, ", element("kbd", {}, "\u2193"), element("kbd", {}, "\u2191"), " through the hits, ", element("kbd", {}, "Enter"), " opens one"),
  );
}
