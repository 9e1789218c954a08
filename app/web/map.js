// The map of a collection: its documents on a plane, coloured by cluster or field, hits lit up.

import { hashOf } from "./address.js";
import { request } from "./api.js";
import { byId, count, element, plural } from "./dom.js";
import { css, grey, hue, ramp } from "./hues.js";
import { emptyNotice, problemNotice } from "./notices.js";
import { planeIn } from "./plane.js";

const POLL_MS = 700;
const TYPING_MS = 160;
const HITS = 100;
const LISTED = 5;
const MOST_POINTS = 300_000;
const INTO_CLUSTER = 5;
const CLUSTER = ""; // the choice that is no field

/**
 * The view of the map.
 * @param {(patch: object) => void} navigate
 */
export function mapView(navigate) {
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
    await follow(state.collection, polling.signal);
  }

  /** Shows the map, and shows it anew whenever it is another, as long as it is looked at. */
  async function follow(collection, signal) {
    place.setAttribute("aria-busy", "true");
    try {
      for (;;) {
        const about = await request(`collections/${encodeURIComponent(collection)}/map`, { signal });
        if (about.state === "building") tellBuilding(about);
        else if (shown?.version !== about.version) await draw(collection, about, signal);
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

  async function draw(collection, about, signal) {
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
      shown = { collection, ...mapOf(collection, base, about, points, fields, navigate) };
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
function mapOf(collection, base, about, points, fields, navigate) {
  const known = new Map(); // titles by id
  let plane = null;
  let index = new Map();
  let sizes = []; // of labels, in pixels
  let column = null;
  let asking = null;
  let naming = null;

  const open = (i) => navigate({ view: "document", document: points.ids[i], at: null });
  const box = element("input", { type: "search", id: "map-query", placeholder: "Light up what you look for", spellcheck: false, autocomplete: "off" });
  const choice = element("select", { id: "map-colour" });
  const facts = element("p", { className: "summary map-facts", role: "status" });
  const readout = element("p", { className: "readout", role: "status" });
  const labels = element("div", { className: "map-labels", "aria-hidden": "true" });
  const legend = element("div", { className: "map-legend" });
  const found = element("ol", { className: "map-hits", "aria-label": "Best hits" });
  const zoomer = (name, label, act) => element("button", { type: "button", "aria-label": label, title: label, onclick: act }, name);
  const host = element(
    "div",
    { className: "plane", tabIndex: 0, role: "application", "aria-label": "Map of the collection", "aria-describedby": "map-keys" },
    labels,
    element("div", { className: "map-zoom" }, zoomer("+", "Nearer", () => plane.zoom(plane.ZOOM)), zoomer("\u2212", "Farther", () => plane.zoom(1 / plane.ZOOM)), zoomer("\u25a2", "Show all", () => plane.showAll())),
  );
  const keys = element("p", { className: "keys", id: "map-keys" }, "Arrows move, ", element("kbd", {}, "+"), " and ", element("kbd", {}, "\u2212"), " magnify, ", element("kbd", {}, "0"), " shows all, ", element("kbd", {}, "Enter"), " opens what is in the middle");
  const elements = [
    element("div", { className: "options map-tools" }, element("label", { className: "option grow" }, element("span", { className: "unseen" }, "Light up"), box), element("label", { className: "option" }, "Colour by ", choice)),
    host, readout, found, facts, legend, keys,
  ];

  box.addEventListener("input", debounced(TYPING_MS, lightUp));
  choice.addEventListener("change", colour);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", paint);

  function start() {
    plane = planeIn(host, { onPoint: name, onOpen: open, onMove: placeLabels });
    update(about, points, fields);
    plane.showAll();
  }

  function update(nextAbout, nextPoints, nextFields) {
    [about, points, fields] = [nextAbout, nextPoints, nextFields];
    index = new Map(points.ids.map((id, i) => [id, i]));
    fillChoice();
    labels.replaceChildren(...about.clusters.map(({ words }) => element("span", {}, words.slice(0, 2).join(", "))));
    sizes = [...labels.children].map((span) => [span.offsetWidth, span.offsetHeight]);
    const xy = new Float32Array(2 * points.ids.length);
    for (let i = 0; i < points.ids.length; i++) [xy[2 * i], xy[2 * i + 1]] = [points.x[i], points.y[i]];
    plane.setPoints(xy, coloursOf(points, column));
    host.dataset.points = String(points.ids.length);
    tell(about);
    showLegend();
    if (choice.value !== CLUSTER) colour();
    if (box.value.trim()) lightUp();
  }

  function fillChoice() {
    const chosen = choice.value;
    const options = [[CLUSTER, "cluster"], ...fields.map(({ name: field }) => [field, field])];
    choice.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    choice.value = options.some(([value]) => value === chosen) ? chosen : CLUSTER;
  }

  /** What the map is worth, and what is not on it. */
  function tell({ documents, fitted, late, neighbours_kept: kept, state }) {
    const shown = points.ids.length;
    facts.replaceChildren(
      element("strong", {}, shown < documents ? `${count(shown)} of ${plural(documents, "document")}` : plural(documents, "document")),
      kept ? element("span", { title: `95 % interval ${percent(kept.low)} to ${percent(kept.high)}, measured on ${plural(kept.documents, "document")}` }, ` \u00b7 of a document\u2019s ${kept.k} nearest, ${percent(kept.mean)} are among its ${kept.k} nearest here`) : "",
      fitted < documents ? ` \u00b7 ${count(documents - fitted)} placed among the others` : "",
      state === "stale" ? ` \u00b7 ${count(late)} more ${late === 1 ? "is" : "are"} being placed` : "",
    );
  }

  async function colour() {
    column = null;
    if (choice.value !== CLUSTER) {
      host.setAttribute("aria-busy", "true");
      try {
        const answer = await request(`${base}/map/values?limit=${MOST_POINTS}&field=${encodeURIComponent(choice.value)}`);
        column = answer.values?.length === points.ids.length ? answer : null;
      } catch (problem) {
        readout.replaceChildren(`The field cannot be shown: ${problem.message}`);
      }
      host.setAttribute("aria-busy", "false");
    }
    paint();
  }

  function paint() {
    plane.setColours(coloursOf(points, column));
    showLegend();
  }

  function showLegend() {
    legend.replaceChildren(column ? legendOf(column, points) : clustersOf(about, (one) => plane.goTo(one.x, one.y, INTO_CLUSTER)));
  }

  /** Lights up the hits of what is typed; what was asked before is no longer waited for. */
  async function lightUp() {
    asking?.abort();
    const query = box.value.trim();
    if (!query) {
      found.replaceChildren();
      readout.replaceChildren();
      plane.light(null);
      return;
    }
    asking = new AbortController();
    try {
      const { hits } = await request(`${base}/search`, { body: { query, k: Math.min(HITS, points.ids.length) }, signal: asking.signal });
      for (const { id, title, text } of hits) known.set(id, nameOf(id, title, text));
      const indices = hits.map(({ id }) => index.get(id)).filter((i) => i !== undefined);
      plane.light(indices);
      readout.replaceChildren(`${plural(indices.length, "hit")} lit up`);
      found.replaceChildren(...hits.slice(0, LISTED).map(({ id }) => element("li", {}, element("a", { href: hashOf(collection, id), dir: "auto" }, known.get(id)))));
    } catch (problem) {
      if (problem.name === "AbortError") return;
      plane.light(null);
      readout.replaceChildren(problem.message);
    }
  }

  /** Says which document is pointed at. */
  async function name(i) {
    naming?.abort();
    host.classList.toggle("pointing", i !== null);
    if (i === null) return readout.replaceChildren();
    const id = points.ids[i];
    if (!known.has(id)) {
      naming = new AbortController();
      const { signal } = naming;
      try {
        await pause(40, signal);
        const { title, text } = await request(`${base}/documents/${encodeURIComponent(id)}`, { signal });
        known.set(id, nameOf(id, title, text));
      } catch (problem) {
        if (problem.name !== "AbortError") readout.replaceChildren(id);
        return;
      }
    }
    const words = about.clusters[points.cluster[i]]?.words ?? [];
    readout.replaceChildren(element("b", { dir: "auto" }, known.get(id)), words.length ? element("span", { className: "quiet" }, ` \u00b7 ${words.join(", ")}`) : "");
  }

  /** Labels where their clusters are, the largest first; one that would lie on another is left out. */
  function placeLabels() {
    const [width, height] = plane?.size() ?? [0, 0];
    const taken = [];
    const order = about.clusters.map((_, i) => i).sort((a, b) => about.clusters[b].documents - about.clusters[a].documents);
    const spans = labels.children;
    for (const i of order) {
      const { x, y, documents } = about.clusters[i];
      const [left, top] = plane.seenAt(x, y);
      const [w, h] = sizes[i];
      const own = [left - w / 2, top - h / 2, left + w / 2, top + h / 2];
      const fits = documents && own[0] > 0 && own[1] > 0 && own[2] < width && own[3] < height && !taken.some((other) => own[0] < other[2] && own[2] > other[0] && own[1] < other[3] && own[3] > other[1]);
      spans[i].classList.toggle("hidden", !fits);
      if (!fits) continue;
      taken.push(own);
      spans[i].style.transform = `translate(${Math.round(own[0])}px, ${Math.round(own[1])}px)`;
    }
  }

  return { elements, start, update, tell };
}

const nameOf = (id, title, text) => title || text.slice(0, 120) || id;
const percent = (share) => `${(100 * share).toFixed(0)} %`;

function debounced(ms, act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  };
}

/** The colour of each point, four bytes each. */
function coloursOf(points, column) {
  const total = points.ids.length;
  const colours = new Uint8Array(4 * total).fill(255);
  const colourOf = column ? shadesOf(column) : categoryShades((i) => points.cluster[i]);
  for (let i = 0; i < total; i++) colours.set(colourOf(i), 4 * i);
  return colours;
}

function categoryShades(placeOf) {
  const [none, shades] = [grey(), []];
  return (i) => {
    const at = placeOf(i);
    if (at === null || at < 0) return none;
    return (shades[at] ??= hue(at));
  };
}

function shadesOf({ kind, values }) {
  if (kind === "category") return categoryShades((i) => values[i]);
  const none = grey();
  const { low, high } = endsOf(values);
  const shades = Array.from({ length: 65 }, (_, i) => ramp(i / 64));
  return (i) => (values[i] === null ? none : shades[Math.round(64 * share(values[i], low, high))]);
}

/** The scale of numbers; the outermost hundredth at either end does not stretch it. */
function endsOf(values) {
  const numbers = values.filter((value) => value !== null).sort((a, b) => a - b);
  const at = (quantile) => numbers[Math.min(numbers.length - 1, Math.floor(quantile * numbers.length))];
  return { low: at(0.01), high: at(0.99) };
}

const share = (value, low, high) => (high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5);

/** All clusters with their words and counts, the largest first: what the map says, in words. */
function clustersOf({ clusters }, goTo) {
  const order = clusters.map((one, i) => ({ ...one, i })).filter(({ documents }) => documents).sort((a, b) => b.documents - a.documents);
  const items = order.map((one) =>
    element("li", {}, element("button", { type: "button", onclick: () => goTo(one) }, swatch(hue(one.i)), element("span", { className: "value", dir: "auto" }, one.words.join(", ") || "without words"), element("span", { className: "quiet" }, count(one.documents)))),
  );
  return element("ul", { className: "swatches", "aria-label": "Clusters" }, ...items);
}

const swatch = (rgb) => element("span", { className: "swatch", "--fill": css(rgb) });

function legendOf({ kind, field, categories, values }) {
  if (kind === "number") {
    const { low, high } = endsOf(values);
    const stops = Array.from({ length: 9 }, (_, i) => css(ramp(i / 8))).join(", ");
    return element("div", { className: "legend" }, element("span", {}, field), element("div", { className: "ramp", "--stops": `linear-gradient(to right, ${stops})` }), element("div", { className: "ends" }, element("span", {}, String(low)), element("span", {}, String(high))));
  }
  const others = values.filter((value) => value === -1).length;
  const none = values.filter((value) => value === null).length;
  const rows = [
    ...categories.map(({ value, documents }, i) => [hue(i), String(value), documents]),
    ...(others ? [[grey(), "others", others]] : []),
    ...(none ? [[grey(), "none", none]] : []),
  ];
  const items = rows.map(([rgb, text, documents]) => element("li", {}, swatch(rgb), element("span", { className: "value", dir: "auto" }, text), element("span", { className: "quiet" }, count(documents))));
  return element("ul", { className: "swatches", "aria-label": `Values of ${field}` }, ...items);
}
