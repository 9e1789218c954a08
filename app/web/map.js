// The map of a collection: its documents on a plane, coloured by cluster or field, hits lit up.

import { hashOf } from "./address.js";
import { request } from "./api.js";
import { byId, count, element, plural } from "./dom.js";
import { clustersOf, coloursOf, keeperOf, legendOf } from "./map-colours.js";
import { clusterLabels } from "./map-labels.js";
import { emptyNotice, problemNotice } from "./notices.js";
import { nameOf as nameOfPicture, smallPicture } from "./pictures.js";
import { planeIn } from "./plane.js";

const POLL_MS = 700;
const TYPING_MS = 160;
const HITS = 100;
const LISTED = 5;
const SCORED = 1_000; // hits whose scores colour the map
const SELECTED = 10; // documents of a selection that are named
const NOTE_MS = 300; // without a move, after which the address says what is seen
const BESIDE = 14; // pixels between a point and what is said of it
const MOST_POINTS = 300_000;
const INTO_CLUSTER = 5;
const CLUSTER = ""; // the choices that are no fields
const SCORE = "\u0000score";

/**
 * The view of the map.
 * @param {(patch: object) => void} navigate
 * @param {(patch: object) => void} note told what is shown, for the address
 */
export function mapView(navigate, note) {
  const place = byId("map");
  const section = byId("view-map");
  let shown = null; // what is on the page: collection, version, points
  let polling = null;

  async function show(state) {
    polling?.abort();
    polling = new AbortController();
    if (shown?.collection !== state.collection) {
      shown = null;
      place.replaceChildren();
    }
    if (shown?.apply) shown.apply(state);
    await follow(state, polling.signal);
  }

  /** Shows the map, and shows it anew whenever it is another, as long as it is looked at. */
  async function follow(state, signal) {
    const { collection } = state;
    place.setAttribute("aria-busy", "true");
    try {
      for (;;) {
        const about = await request(`collections/${encodeURIComponent(collection)}/map`, { signal });
        if (about.state === "building") tellBuilding(about);
        else if (shown?.version !== about.version) await draw(state, about, signal);
        else shown.tell(about);
        if (about.state === "ready") break;
        if (about.state === "stale") place.setAttribute("aria-busy", "false");
        await pause(POLL_MS, signal);
        if (section.hidden) return;
      }
    } catch (problem) {
      if (problem.name === "AbortError") return;
      shown = null;
      place.replaceChildren(problemNotice(problem, () => navigate({})));
    }
    place.setAttribute("aria-busy", "false");
  }

  function tellBuilding({ late, progress }) {
    shown = null;
    const done = progress?.total ? progress.done / progress.total : null;
    if (!place.querySelector("progress")) {
      const bar = element("progress", { max: 1, "aria-label": "Drawing the map" });
      place.replaceChildren(element("div", { className: "notice" }, element("h2", {}, "The map is being drawn"), bar, element("p", { role: "status", className: "stage" })));
    }
    const bar = place.querySelector("progress");
    if (done === null) bar.removeAttribute("value");
    else bar.value = done;
    const text = `${plural(late, "document")}${progress ? `: ${progress.name}` : ""}`;
    const stage = place.querySelector(".stage");
    if (stage.textContent !== text) stage.textContent = text;
  }

  async function draw(state, about, signal) {
    const { collection } = state;
    const base = `collections/${encodeURIComponent(collection)}`;
    if (!about.documents) {
      shown = { collection, version: about.version, tell() {} };
      place.replaceChildren(emptyNotice("Nothing to draw yet", element("p", {}, "This collection is empty: put documents into it.")));
      return;
    }
    const [points, { fields }] = await Promise.all([
      request(`${base}/map/points?limit=${MOST_POINTS}`, { signal }),
      request(`${base}/fields?common=0`, { signal }),
    ]);
    if (points.state === "building") return; // it went while it was asked for
    if (shown?.update) shown.update(about, points, fields);
    else {
      shown = { collection, ...mapOf(state, base, about, points, fields, navigate, note) };
      place.replaceChildren(...shown.elements);
      shown.start();
    }
    shown.version = points.version;
  }

  return { show };
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

/** The parts of a map that is there: tools, plane, what is pointed at, legend. */
function mapOf(state, base, about, points, fields, navigate, note) {
  const { collection } = state;
  const known = new Map(); // titles by id
  const pictured = new Map(); // documents with a picture, by id
  let plane = null;
  let index = new Map();
  let column = null;
  let keep = state.keep;
  let asking = null;
  let naming = null;
  let pointedAt = null;

  const open = (i) => navigate({ view: "document", document: points.ids[i], at: null });
  const box = element("input", { type: "search", id: "map-query", value: state.query, placeholder: "Light up what you look for", spellcheck: false, autocomplete: "off" });
  const choice = element("select", { id: "map-colour" });
  const select = element("button", { type: "button", id: "map-select", "aria-pressed": "false", title: "Draw around documents; dragging with Shift does, too", onclick: () => turnLasso(select.getAttribute("aria-pressed") !== "true") }, "Select");
  const facts = element("p", { className: "summary map-facts", role: "status" });
  const status = element("p", { className: "map-status", role: "status" });
  const readout = element("div", { className: "readout", role: "status", hidden: true });
  const overlay = element("div", { className: "map-labels", "aria-hidden": "true" });
  const labels = clusterLabels(overlay);
  const legend = element("div", { className: "map-legend" });
  const found = element("ol", { className: "map-hits", "aria-label": "Best hits" });
  const zoomer = (name, label, act) => element("button", { type: "button", "aria-label": label, title: label, onclick: act }, name);
  const host = element(
    "div",
    { className: "plane", tabIndex: 0, role: "application", "aria-label": "Map of the collection", "aria-describedby": "map-keys" },
    overlay,
    readout,
    element("div", { className: "map-zoom" }, zoomer("+", "Nearer", () => plane.zoom(plane.ZOOM)), zoomer("\u2212", "Farther", () => plane.zoom(1 / plane.ZOOM)), zoomer("\u25a2", "Show all", () => plane.showAll())),
  );
  const keys = element("p", { className: "keys", id: "map-keys" }, "Arrows move, ", element("kbd", {}, "+"), " and ", element("kbd", {}, "\u2212"), " magnify, ", element("kbd", {}, "0"), " shows all, ", element("kbd", {}, "Enter"), " opens what is in the middle");
  const elements = [
    element("div", { className: "options map-tools" }, element("label", { className: "option grow" }, element("span", { className: "unseen" }, "Light up"), box), element("label", { className: "option" }, "Colour by ", choice), select),
    element("div", { className: "map-columns" }, host, element("div", { className: "map-side" }, facts, status, found, legend, keys)),
  ];

  box.addEventListener("input", debounced(TYPING_MS, () => (note({ query: box.value.trim() }), lightUp())));
  choice.addEventListener("change", () => choose({ colour: choice.value, keep: [] }));
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", paint);
  const noteSeen = debounced(NOTE_MS, () => note({ seen: plane.seen() }));

  function start() {
    plane = planeIn(host, { onPoint: name, onOpen: open, onMove: moved, onLasso: selected });
    update(about, points, fields);
    plane.showAll();
    if (state.seen) plane.goTo(...state.seen);
  }

  /** Shows what another address asks for. */
  function apply(other) {
    if (other.query !== box.value.trim()) [box.value] = [other.query];
    if (other.colour !== choice.value) choice.value = other.colour;
    ({ keep } = other);
    if (other.seen) plane.goTo(...other.seen);
    else plane.showAll();
    colour();
    lightUp();
  }

  function update(nextAbout, nextPoints, nextFields) {
    [about, points, fields] = [nextAbout, nextPoints, nextFields];
    index = new Map(points.ids.map((id, i) => [id, i]));
    fillChoice(choice.value || state.colour);
    labels.set(about.clusters);
    const xy = new Float32Array(2 * points.ids.length);
    for (let i = 0; i < points.ids.length; i++) [xy[2 * i], xy[2 * i + 1]] = [points.x[i], points.y[i]];
    plane.setPoints(xy, coloursOf(points, null, () => true));
    host.dataset.points = String(points.ids.length);
    tell(about);
    showLegend();
    if (choice.value !== CLUSTER) colour();
    if (box.value.trim()) lightUp();
  }

  function fillChoice(chosen) {
    const options = [[CLUSTER, "cluster"], [SCORE, "score of the query"], ...fields.map(({ name: field }) => [field, field])];
    choice.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    choice.value = options.some(([value]) => value === chosen) ? chosen : CLUSTER;
  }

  /** What the map is worth, and what is not on it. */
  function tell({ documents, fitted, late, neighbours_kept: kept, state: stage }) {
    const shown = points.ids.length;
    facts.replaceChildren(
      element("strong", {}, shown < documents ? `${count(shown)} of ${plural(documents, "document")}` : plural(documents, "document")),
      shown < documents ? ", a fair sample" : "",
      kept ? element("span", { title: `95 % interval ${percent(kept.low)} to ${percent(kept.high)}, measured on ${plural(kept.documents, "document")}` }, ` \u00b7 of a document\u2019s ${kept.k} nearest, ${percent(kept.mean)} are among its ${kept.k} nearest here`) : "",
      fitted < documents ? ` \u00b7 ${count(documents - fitted)} placed among the others` : "",
      stage === "stale" ? ` \u00b7 ${count(late)} more ${late === 1 ? "is" : "are"} being placed` : "",
    );
  }

  function choose({ colour: wanted = choice.value, keep: chosen }) {
    const recolours = wanted !== (column?.by ?? CLUSTER);
    keep = chosen;
    note({ colour: wanted, keep });
    return recolours ? colour() : paint();
  }

  async function colour() {
    column = null;
    if (choice.value === SCORE) return lightUp();
    if (choice.value !== CLUSTER) {
      host.setAttribute("aria-busy", "true");
      try {
        const answer = await request(`${base}/map/values?limit=${MOST_POINTS}&field=${encodeURIComponent(choice.value)}`);
        column = answer.values?.length === points.ids.length ? { ...answer, by: choice.value } : null;
      } catch (problem) {
        status.replaceChildren(`The field cannot be shown: ${problem.message}`);
      }
      host.setAttribute("aria-busy", "false");
    }
    paint();
  }

  function paint() {
    plane.setColours(coloursOf(points, column, keeperOf(column, keep)));
    showLegend();
  }

  function showLegend() {
    const needsQuery = choice.value === SCORE && !column;
    legend.replaceChildren(needsQuery ? element("p", { className: "quiet" }, "Look for something: the best hits are coloured by their score.") : column ? legendOf(column, keep, (chosen) => choose({ keep: chosen })) : clustersOf(about, (one) => plane.goTo(one.x, one.y, INTO_CLUSTER)));
  }

  /** Lights up the hits of what is typed; what was asked before is no longer waited for. */
  async function lightUp() {
    asking?.abort();
    const query = box.value.trim();
    const scored = choice.value === SCORE;
    if (!query) return quench(scored);
    asking = new AbortController();
    try {
      const { hits } = await request(`${base}/search`, { body: { query, k: Math.min(scored ? SCORED : HITS, points.ids.length) }, signal: asking.signal });
      hits.forEach(remember);
      const seen = hits.map(({ id, score }) => [index.get(id), score]).filter(([i]) => i !== undefined);
      if (scored) column = scoresOf(seen, points.ids.length);
      if (scored) paint();
      plane.light(scored ? null : seen.map(([i]) => i));
      status.replaceChildren(`${plural(seen.length, "hit")} ${scored ? "coloured by score" : "lit up"}`);
      list(hits.slice(0, LISTED).map(({ id }) => id));
    } catch (problem) {
      if (problem.name === "AbortError") return;
      plane.light(null);
      status.replaceChildren(problem.message);
    }
  }

  function quench(scored) {
    found.replaceChildren();
    status.replaceChildren();
    plane.light(null);
    if (scored) column = null;
    if (scored) paint();
  }

  const list = (ids) => found.replaceChildren(...ids.map((id) => element("li", {}, element("a", { href: hashOf(collection, id), dir: "auto" }, known.get(id) ?? id))));

  function turnLasso(on) {
    select.setAttribute("aria-pressed", String(on));
    plane.lasso(on);
  }

  /** Lights up what was drawn around, and names the first of it. */
  async function selected(indices) {
    turnLasso(false);
    const clear = element("button", { type: "button", onclick: lightUp }, "Clear");
    plane.light(indices);
    status.replaceChildren(`${plural(indices.length, "document")} selected `, clear);
    const ids = indices.slice(0, SELECTED).map((i) => points.ids[i]);
    await Promise.allSettled(ids.filter((id) => !known.has(id)).map((id) => learn(id)));
    if (clear.isConnected) list(ids);
  }

  async function learn(id, signal) {
    remember(await request(`${base}/documents/${encodeURIComponent(id)}`, { signal }));
  }

  function remember(found) {
    known.set(found.id, found.picture ? nameOfPicture(found) : nameOf(found.id, found.title, found.text));
    if (found.picture) pictured.set(found.id, found);
  }

  /** Says which document is pointed at, beside it. */
  async function name(i) {
    naming?.abort();
    host.classList.toggle("pointing", i !== null);
    pointedAt = i;
    readout.hidden = true;
    if (i === null) return;
    const id = points.ids[i];
    if (!known.has(id)) {
      naming = new AbortController();
      const { signal } = naming;
      try {
        await pause(40, signal);
        await learn(id, signal);
      } catch (problem) {
        if (problem.name === "AbortError") return;
        known.set(id, id);
      }
    }
    const words = about.clusters[points.cluster[i]]?.words ?? [];
    readout.replaceChildren(pictured.has(id) ? smallPicture(pictured.get(id), collection) : "", element("b", { dir: "auto" }, known.get(id)), words.length ? element("span", { className: "quiet" }, words.join(", ")) : "");
    readout.hidden = false;
    placeReadout();
  }

  /** Beside the point, on the side where there is more room. */
  function placeReadout() {
    if (pointedAt === null || readout.hidden) return;
    const [width, height] = plane.size();
    const [left, top] = plane.seenAt(points.x[pointedAt], points.y[pointedAt]);
    const [w, h] = [readout.offsetWidth, readout.offsetHeight];
    const at = Math.max(4, Math.min(width - w - 4, left > width / 2 ? left - w - BESIDE : left + BESIDE));
    const over = Math.max(4, Math.min(height - h - 4, top > height / 2 ? top - h - BESIDE : top + BESIDE));
    readout.style.transform = `translate(${Math.round(at)}px, ${Math.round(over)}px)`;
  }

  function moved() {
    if (!plane) return;
    labels.follow(plane);
    placeReadout();
    noteSeen();
  }

  return { elements, start, update, tell, apply };
}

/** The scores of hits as a column of numbers, null for all others. */
function scoresOf(seen, total) {
  const values = new Array(total).fill(null);
  for (const [i, score] of seen) values[i] = score;
  return { kind: "number", field: "score", values, by: SCORE, partial: true };
}

const nameOf = (id, title, text) => title || text.slice(0, 120) || id;
const percent = (share) => `${(100 * share).toFixed(0)}\u00a0%`;

function debounced(ms, act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  };
}
