// Start of the page: what the service offers, the views, the address that says what is shown.

import { addView } from "./add.js";
import { addressOf, readAddress } from "./address.js";
import { forgetKey, onKeyNeeded } from "./api.js";
import { collectionsView } from "./collections.js";
import { compareView } from "./compare.js";
import { documentView } from "./document.js";
import { byId, element } from "./dom.js";
import { duplicatesView } from "./duplicates.js";
import { mapView } from "./map.js";
import { keyButton, problemNotice } from "./notices.js";
import { readOffers } from "./offers.js";
import { searchView } from "./search.js";

const USUAL_COLLECTION = "default";

/** Views without a tab of their own, and the one whose tab they are under. */
const UNDER = { document: "search", add: "collections", duplicates: "collections" };

async function start() {
  onKeyNeeded(askForKey);
  const views = {
    search: searchView(navigate, refresh),
    document: documentView(navigate),
    map: mapView(navigate, note),
    compare: compareView(navigate),
    collections: collectionsView(navigate, refresh, changed),
    add: addView(navigate, changed),
    duplicates: duplicatesView(navigate),
  };
  let state = readAddress();
  let offers = null;
  let usual = {};

  function navigate(patch) {
    state = { ...state, ...patch };
    const address = addressOf(state, usual);
    const here = location.pathname + location.search + location.hash;
    history[address === here ? "replaceState" : "pushState"](state, "", address);
    return show();
  }

  /** Has the address say what is shown by now; it is no step in the history. */
  function note(patch) {
    state = { ...state, ...patch };
    history.replaceState(state, "", addressOf(state, usual));
  }

  /** What the service offers by now; the picker and the usual collection follow. */
  async function refresh() {
    offers = await readOffers();
    usual = offers.usual = usualOf(offers);
    state = { ...state, collection: state.collection ?? usual.collection };
    fillPicker(offers.collections, state.collection);
    tellCaller(offers.caller);
    views.add.allow(offers.caller);
    return offers;
  }

  /** To be called when documents or collections came or went: what views hold is out of date. */
  async function changed() {
    for (const view of Object.values(views)) view.forget?.();
    return refresh();
  }

  function show() {
    chooseTab(state.view);
    byId("collection").value = state.collection;
    document.title = titleOf(state);
    return views[state.view].show(state, offers);
  }

  window.addEventListener("popstate", ({ state: past }) => {
    state = past ?? { ...readAddress(), collection: readAddress().collection ?? usual.collection };
    if (offers) show();
  });
  byId("collection").addEventListener("change", ({ target }) => navigate({ collection: target.value, view: UNDER[state.view] ?? state.view }));
  tabs((view) => (offers ? navigate({ view }) : chooseTab(view)));
  shortcuts(() => (state.view === "search" ? views.search.focus() : navigate({ view: "search" }).then(views.search.focus)));

  chooseTab(state.view);
  try {
    await refresh();
  } catch (problem) {
    byId("about").replaceChildren(problemNotice(problem, () => location.reload()));
    return;
  }
  history.replaceState(state, "", location.href);
  await show();
}

function usualOf({ collections }) {
  const names = collections.map(({ name }) => name);
  return { collection: names.includes(USUAL_COLLECTION) || !names.length ? USUAL_COLLECTION : names[0], mode: "hybrid", measure: "cosine" };
}

function fillPicker(collections, chosen) {
  const options = collections.map(({ name, aliasOf }) => element("option", { value: name }, aliasOf ? `${name} (${aliasOf})` : name));
  if (!collections.some(({ name }) => name === chosen)) options.push(element("option", { value: chosen }, `${chosen} (not there)`));
  byId("collection").replaceChildren(...options);
  byId("collection").value = chosen;
  byId("collection").disabled = false;
}

/** Whose key the tab has and what it may do, below every view; nothing where no key is needed. */
function tellCaller({ name, role, guarded }) {
  byId("caller").hidden = !guarded;
  const forget = element("button", { type: "button", className: "forget-key", onclick: () => (forgetKey(), location.reload()) }, "Forget this key");
  byId("caller").replaceChildren(element("p", {}, "The key ", element("b", {}, name), ` may ${role}. It is kept in this tab only.`), keyButton(), forget);
}

function titleOf({ view, query, document: id }) {
  const subject = { map: "Map", compare: "Compare", collections: "Collections", add: "Add documents", duplicates: "Duplicates", document: id, search: query }[view];
  return subject ? `${subject} \u2013 Bearing` : "Bearing";
}

/** Tabs as the ARIA practices have them: arrows move and choose, one stop for the Tab key. */
function tabs(choose) {
  const all = [...document.querySelectorAll("[role=tab]")];
  for (const [i, tab] of all.entries()) {
    tab.addEventListener("click", () => choose(viewOf(tab)));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: all.length - 1 }[key];
      if (step === undefined) return;
      const next = all.at(step % all.length);
      next.focus();
      choose(viewOf(next));
    });
  }
}

const viewOf = (tab) => tab.id.replace("tab-", "");

/** Shows a view, and its tab as chosen. */
function chooseTab(view) {
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== `view-${view}`;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = viewOf(tab) === (UNDER[view] ?? view);
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
}

/** "/" leads to the search box, unless something is being typed. */
function shortcuts(toBox) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, dialog");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    toBox();
  });
}

/** The key that the reader gives, or null if the reader would rather not. */
function askForKey(refused) {
  const dialog = byId("key-dialog");
  const note = "It is kept in this tab only, and forgotten when the tab is closed.";
  byId("key-note").textContent = refused ? `The service refused that key. ${note}` : note;
  byId("key").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  byId("key-cancel").onclick = () => dialog.close();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "use" ? byId("key").value.trim() || null : null), { once: true });
  });
}

await start();
