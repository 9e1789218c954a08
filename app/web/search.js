// The search view: a query and its options, the hits, and what to say where there are none.

import { hashOf } from "./address.js";
import { asCurl, Problem, request } from "./api.js";
import { byId, count, element, milliseconds, plural } from "./dom.js";
import { showFacts } from "./facts.js";
import { fieldsOf, forgetFields, tellingNames } from "./fields.js";
import { filterPanel } from "./filter-panel.js";
import { withCondition } from "./filters.js";
import { axisOf, focusOn, hitItems, openHit, passageOf, settle, tapeOf, walkable } from "./hits.js";
import { noteLatency } from "./latencies.js";
import { command, curlNotice, emptyNotice, problemNotice } from "./notices.js";
import { may, modesOf, usualModeOf, withAliases } from "./offers.js";
import { givenPicture, keepPicture, openLightBox, pictureIn, thumbnailOf } from "./pictures.js";
import { emptyCollection, fillCommand, glanceOf, startOf } from "./start.js";
import { askWhy, doubtOf } from "./why.js";

const LOOK_MILLISECONDS = 3000;
const PICTURE_SHOWN = 40; // characters of a picture, in the command
const LOOKS = 20; // without a change, after which nobody fills it

const documentsOf = ({ collections }, { collection }) => collections.find(({ name }) => name === collection)?.documents ?? null;

/**
 * The search view. `navigate` is told what the reader asks for; `show` shows what an address asks for.
 * @param {(patch: object) => void} navigate
 * @param {() => Promise<object>} refresh what the service offers, asked anew
 */
export function searchView(navigate, refresh) {
  const form = byId("search");
  const box = byId("query");
  const list = byId("hits");
  const panel = filterPanel(() => submit());
  let asked = null;
  let running = null;
  let documents = 0; // in the collection
  let shownState = null; // of the search whose hits are shown
  let addButton = () => null;
  let takesJudgements = false;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  box.addEventListener("keydown", (event) => {
    const first = list.firstElementChild;
    if (!first || event.isComposing) return;
    if (event.key === "ArrowDown") focusOn(first);
    else if (event.key === "Enter" && isAnswered()) openHit(first);
    else return;
    event.preventDefault();
  });
  for (const id of ["modes", "k", "exact"]) byId(id).addEventListener("change", () => isAsking() && submit());
  walkable(list, box);
  takePictures(async (file) => navigate({ query: "", like: [], image: await keepPicture(file) }));
  morePanel(byId("more"), byId("more-toggle"));

  /** Whether the hits that are shown are those of what stands in the box. */
  const isAnswered = () => byId("outcome").getAttribute("aria-busy") === "false" && shownState?.query === box.value.trim() && shownState.filter === panel.text();
  const isAsking = () => box.value.trim() || box.dataset.like || box.dataset.image;

  function submit(patch = {}) {
    if (!panel.check() || !form.reportValidity()) return;
    const like = box.value.trim() ? [] : JSON.parse(box.dataset.like || "[]");
    const image = box.value.trim() ? null : box.dataset.image || null;
    navigate({ query: box.value.trim(), like, image, k: byId("k").valueAsNumber || 10, mode: chosenMode(), exact: byId("exact").checked, filter: panel.text(), ...patch });
  }

  function fillIn(state, known) {
    box.value = state.query;
    box.dataset.like = state.like.length ? JSON.stringify(state.like) : "";
    box.dataset.image = state.image ?? "";
    box.placeholder = state.image ? "Like the picture" : state.like.length ? `More like ${state.like.join(", ")}` : "Ask in your own words";
    byId("k").value = state.k;
    byId("exact").checked = state.exact;
    showModes(modesOf(known.collections.find(({ name }) => name === state.collection)), state.mode);
    panel.fill(state.filter, state.collection, documents);
  }

  /** Shows the search of a state, unless it is shown already. */
  async function show(state, known) {
    const wanted = JSON.stringify([state.collection, state.query, state.like, state.image, state.k, state.mode, state.exact, state.filter]);
    if (wanted === asked) return;
    asked = wanted;
    documents = documentsOf(known, state) ?? 0;
    fillIn(state, known);
    running?.abort();
    clear();
    addButton = () => (may(known.caller, "write") ? element("button", { type: "button", className: "primary add", onclick: () => navigate({ view: "add" }) }, "Add documents") : null);
    takesJudgements = known.caller.feedback;
    about(state, known, addButton(), navigate);
    watch(state, known);
    if (state.query || state.like.length || givenPicture(state.image)) await run(state);
    else panel.follow(null, null);
  }

  /** Follows the collection while it is shown at a glance and comes to be, or grows: it may be filled meanwhile. */
  function watch(state, known, looks = LOOKS) {
    const shown = asked;
    const isShown = () => asked === shown && byId("about").childElementCount > 0;
    setTimeout(async () => {
      if (!isShown()) return;
      const listed = document.hidden ? known : await request("collections").then(({ collections }) => ({ collections: withAliases(collections) })).catch(() => known);
      const grows = documentsOf(listed, state) !== documentsOf(known, state);
      const now = grows ? await refresh().catch(() => known) : known;
      if (!isShown()) return;
      if (grows) {
        showModes(modesOf(now.collections.find(({ name }) => name === state.collection)), chosenMode());
        about(state, now, addButton(), navigate);
      }
      if (grows || looks > 1) watch(state, now, grows ? LOOKS : looks - 1);
    }, LOOK_MILLISECONDS);
  }

  async function run(state) {
    const body = bodyOf(state, panel.value());
    const search = { state, body, path: `collections/${encodeURIComponent(state.collection)}/search`, pages: [] };
    await turn(search, body);
    if (search.pages.length) await panel.follow(search.path, body);
  }

  /** Asks for the first page of a search, or for the next, and shows it. */
  async function turn(search, body) {
    running = new AbortController();
    const { signal } = running;
    byId("outcome").setAttribute("aria-busy", "true");
    try {
      const answer = await request(search.path, { body, signal });
      noteLatency(search.state.collection, answer.took_ms.total);
      search.pages.push({ body, answer });
      render(search);
    } catch (reason) {
      if (reason.name === "AbortError") return;
      fail(reason, search, body);
    }
    byId("outcome").setAttribute("aria-busy", "false");
  }

  function render(search) {
    const { state, pages, path, body } = search;
    const { answer } = pages.at(-1);
    const hits = pages.flatMap((page) => page.answer.hits);
    shownState = state;
    byId("about").replaceChildren();
    byId("summary").replaceChildren(...summaryOf({ ...answer, significance: pages[0].answer.significance }, hits.length, state));
    showHits(search, { ...answer, hits });
    byId("after").replaceChildren(...[!hits.length && noHits(state, addButton()), moreButton(search, hits.length), curlNotice(asCurl(path, body.image ? { ...body, image: `${body.image.slice(0, PICTURE_SHOWN)}\u2026` } : body))].filter(Boolean));
  }

  /** Adds a page to the list; bars that would lie by another axis than before are drawn anew. */
  function showHits(search, all) {
    const held = list.children.length;
    const items = hitItems(all, search.state.query, actionsOf(search));
    const sameAxis = search.axis === (search.axis = JSON.stringify(axisOf(all)));
    if (sameAxis) list.append(...items.slice(held));
    else list.replaceChildren(...items);
    list.classList.toggle("pictured", 2 * all.hits.filter(({ picture }) => picture).length >= all.hits.length && all.hits.some(({ picture }) => picture));
    settle(list);
    tellFacts(search, all.hits);
    if (held) focusOn(list.children[held] ?? list.lastElementChild);
    byId("tape").replaceChildren(...(all.hits.length && all.mode !== "lexical" ? [tapeOf(all.hits, list)] : []));
  }

  /** Fills in the hits' metadata once it is known which of the fields tell documents apart. */
  async function tellFacts({ state }, hits) {
    list.setAttribute("aria-busy", "true");
    const fields = await fieldsOf(state.collection).catch(() => null);
    if (shownState !== state || list.children.length !== hits.length) return;
    const filterBy = (field, value) => submit({ filter: JSON.stringify(withCondition(panel.value(), field, "$eq", value)) });
    showFacts(list, hits, fields && tellingNames(fields, documents), filterBy);
    list.setAttribute("aria-busy", "false");
  }

  function actionsOf({ state, path, pages }) {
    const like = (id) => navigate({ query: "", like: [id], image: null });
    const inLarge = (hit) => {
      const pictured = pages.flatMap(({ answer }) => answer.hits).filter(({ picture }) => picture);
      openLightBox(pictured, pictured.indexOf(hit), state.collection, like);
    };
    return {
      picture: (hit) => thumbnailOf(hit, state.collection, () => inLarge(hit)),
      like,
      hrefOf: (hit) => hashOf(state.collection, hit.id, passageOf(hit)),
      why: (hit) => {
        const { body, answer } = pages.find((page) => page.answer.hits.includes(hit));
        return askWhy(path, body, answer.hits.indexOf(hit), hit.id);
      },
      judge: takesJudgements && state.query ? (id) => request(path.replace(/search$/, "feedback"), { body: { query: state.query, id, relevant: true } }) : null,
    };
  }

  function moreButton(search, shown) {
    const { cursor, total } = search.pages.at(-1).answer;
    if (!cursor || shown >= (total ?? Infinity)) return null;
    return element("button", { type: "button", className: "next-page", onclick: () => turn(search, { ...search.body, cursor }) }, "More hits");
  }

  /** A search that fails shows nothing else; where only a further page fails, what is there stays. */
  function fail(reason, search, body) {
    if (!search.pages.length) clear();
    const again = search.pages.length ? () => turn(search, body) : () => ((asked = null), submit());
    byId("after").replaceChildren(problemNotice(reason, again));
    if (!reason.status && !reason.title) throw reason;
  }

  function clear() {
    shownState = null;
    for (const id of ["about", "summary", "tape", "hits", "after"]) byId(id).replaceChildren();
  }

  /** What is shown is asked for anew the next time. */
  function forget() {
    asked = null;
    forgetFields();
    panel.forget();
  }

  return { show, forget, focus: () => (box.focus(), box.select()) };
}

/** Has pictures searched by that are chosen, pasted, or dropped on the box; dropped elsewhere they are documents to add. */
function takePictures(take) {
  byId("choose-picture").addEventListener("click", () => byId("picture").click());
  byId("picture").addEventListener("change", ({ target }) => {
    const file = pictureIn(target);
    target.value = "";
    byId("more").hidePopover();
    if (file) take(file);
  });
  document.addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData);
    if (!file || byId("view-search").hidden) return;
    event.preventDefault();
    take(file);
  });
  byId("search").addEventListener("drop", (event) => {
    const file = pictureIn(event.dataTransfer);
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    document.body.classList.remove("dragging");
    take(file);
  });
}

const chosenMode = () => document.querySelector("#modes input:checked")?.value ?? null;

const IN_WORDS = { dense: "Meaning", lexical: "Words", hybrid: "Meaning and words" };

function showModes(modes, chosen) {
  const radios = modes.map((mode) =>
    element("label", {}, element("input", { type: "radio", name: "mode", value: mode, checked: mode === (chosen ?? usualModeOf(modes)) }), element("span", {}, IN_WORDS[mode] ?? mode, element("span", { className: "quiet" }, ` ${mode}`))),
  );
  byId("modes").replaceChildren(byId("modes").firstElementChild, ...radios);
}

/** Places the panel below its button; on a narrow screen the style has it at the bottom. */
function morePanel(panel, button) {
  panel.addEventListener("toggle", ({ newState }) => button.setAttribute("aria-expanded", String(newState === "open")));
  panel.addEventListener("beforetoggle", () => {
    const { right, bottom } = button.getBoundingClientRect();
    panel.style.setProperty("--right", `${right}px`);
    panel.style.setProperty("--top", `${bottom}px`);
  });
}

function bodyOf(state, filter) {
  const picture = !state.query && givenPicture(state.image);
  const asked = state.query ? { query: state.query } : picture ? { image: picture } : { like: state.like };
  return {
    ...asked,
    k: state.k,
    ...(filter && { filter }),
    ...(state.mode && state.query && { mode: state.mode }), // examples have no words
    ...(state.exact && { exact: true }),
  };
}

function summaryOf({ mode, exact, significance, truncated, unknown, unknown_fields: fields, behind, total, took_ms: took }, shown, state) {
  const doubt = shown ? doubtOf(significance) : null;
  const picture = !state.query && givenPicture(state.image);
  const what = picture ? [" like ", element("img", { className: "asked-picture", src: picture, alt: "the picture that was given" })] : state.like.length && !state.query ? [" like ", element("b", {}, state.like.join(", "))] : [];
  return [
    element("strong", {}, ...(total > shown ? [`Top ${count(shown)} of ${count(total)}`, element("span", { className: "unit" }, " documents")] : [plural(shown, "document")])),
    ...what,
    element("span", { className: "took", title: `Embedding ${took.embed.toFixed(1)} ms, search ${took.search.toFixed(1)} ms` }, ` in ${milliseconds(took.total)}`),
    element("span", { className: "how" }, ` \u00b7 ${mode}, ${exact ? "exact" : "approximate"}`),
    doubt && element("span", { className: "warning doubt", title: doubt.reason }, ` \u00b7 ${doubt.words}`),
    truncated && element("span", { className: "warning" }, " \u00b7 the query is longer than the model reads; its end was left out"),
    unknown && element("span", { className: "warning" }, " \u00b7 the model knows no word of the query, so cosines say nothing: search hybrid, or take a model that knows the language"),
    behind && element("span", { className: "warning" }, " \u00b7 a standby answered: the newest changes may be missing"),
    fields.length > 0 && element("span", { className: "warning" }, ` \u00b7 no document has the ${fields.length === 1 ? "field" : "fields"} ${fields.join(", ")} of the filter`),
  ].filter(Boolean);
}

function noHits({ filter, collection }, addButton) {
  if (filter) return emptyNotice("No document passes this filter", element("p", {}, "Loosen it or take it away: a search without one always finds something."));
  return emptyCollection({ name: collection }, addButton);
}

/** The collection before anything is asked of it. */
function about(state, { collections }, addButton, navigate) {
  const found = collections.find(({ name }) => name === state.collection);
  byId("summary").replaceChildren(...(found?.documents ? glanceOf(found) : []));
  byId("about").replaceChildren(!found ? missing(state, collections) : found.error ? broken(found) : !found.documents ? emptyCollection(found, addButton) : startOf(found, navigate));
}

const broken = ({ name, error }) => problemNotice(new Problem(`The collection ${name} cannot be opened`, error));

function missing({ collection }, collections) {
  if (!collections.length) return emptyNotice("No collection yet", element("p", {}, "Make one from files of your own, then reload this page:"), command(fillCommand(collection)));
  return emptyNotice(`There is no collection ${collection}`, element("p", {}, `Choose another above: ${collections.map(({ name }) => name).join(", ")}.`));
}
