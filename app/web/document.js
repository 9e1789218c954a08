// The view of a document: its text, title and metadata, and its nearest neighbours.

import { hashOf } from "./address.js";
import { request } from "./api.js";
import { byId, element, plural } from "./dom.js";
import { axisOf, passageOf, scoreOf } from "./hits.js";
import { problemNotice } from "./notices.js";
import { nameOf, smallPicture, wholePicture } from "./pictures.js";
import { readingOf } from "./reading.js";

const NEIGHBOURS = 10;

/**
 * The view of a document.
 * @param {(patch: object) => void} navigate
 */
export function documentView(navigate) {
  const place = byId("document");
  let shown = null;
  let running = null;

  async function show(state) {
    const wanted = hashOf(state.collection, state.document, state.at);
    if (wanted === shown) return;
    running?.abort();
    running = new AbortController();
    place.setAttribute("aria-busy", "true");
    place.replaceChildren(back(state));
    try {
      const [found, answer] = await read(state, running.signal);
      place.append(documentOf(found, state, navigate), neighboursOf(answer, state));
      shown = wanted;
      document.title = `${nameOf(found)} \u2013 Bearing`;
      place.querySelector("h2").focus({ preventScroll: true });
      scrollTo(0, 0);
      place.querySelector(".sought")?.scrollIntoView({ block: "center" });
    } catch (reason) {
      if (reason.name === "AbortError") return;
      place.append(problemNotice(reason, () => show(state)));
    }
    place.setAttribute("aria-busy", "false");
  }

  function back(state) {
    const words = state.query || state.like.length ? "Back to the hits" : `Search in ${state.collection}`;
    return element("button", { type: "button", className: "back", onclick: () => navigate({ view: "search" }) }, words);
  }

  return { show, forget: () => (shown = null) };
}

/** The document and the hits that are nearest to it; a document without neighbours is still one. */
function read({ collection, document: id }, signal) {
  const base = `collections/${encodeURIComponent(collection)}`;
  return Promise.all([
    request(`${base}/documents/${encodeURIComponent(id)}`, { signal }),
    request(`${base}/search`, { body: { like: [id], k: NEIGHBOURS }, signal }).catch((reason) => ({ hits: [], mode: "dense", reason })),
  ]);
}

function documentOf(found, { collection, at }, navigate) {
  const { id, metadata } = found;
  return element(
    "article",
    { className: "document", "aria-labelledby": "document-title" },
    element("h2", { id: "document-title", tabIndex: -1, dir: "auto" }, nameOf(found)),
    nameOf(found) !== id && element("p", { className: "id", dir: "auto" }, id),
    metadataOf(metadata, found.origins),
    found.picture && wholePicture(found, collection),
    found.text && readingOf(found, at),
    element("button", { type: "button", className: "like", onclick: () => navigate({ view: "search", query: "", like: [id], image: null }) }, "More like this"),
  );
}

/** The metadata, less the headings, which stand in the text, and the files that give it; addresses of the web are links. */
function metadataOf({ headings, ...metadata }, origins = []) {
  const files = origins.map(({ source, file }) => `${file} in ${source}`);
  const rows = [...Object.entries(metadata), ...(files.length ? [["from", files]] : [])].map(([field, value]) =>
    element("div", {}, element("dt", {}, field), element("dd", { dir: "auto" }, ...[value].flat().flatMap((one, i) => [i > 0 && ", ", isAddress(one) ? link(one) : inWords(one)]))),
  );
  return rows.length > 0 && element("dl", { className: "metadata" }, ...rows);
}

const isAddress = (value) => typeof value === "string" && /^https?:\/\/[^\s]+$/.test(value) && URL.canParse(value);
const link = (href) => element("a", { href, target: "_blank", rel: "noopener noreferrer" }, href);
const inWords = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function neighboursOf(answer, { collection }) {
  if (answer.reason) return problemNotice(answer.reason);
  const axis = axisOf(answer);
  const items = answer.hits.map((hit) =>
    element(
      "li",
      { dataset: { id: hit.id } },
      smallPicture(hit, collection),
      scoreOf(hit, axis),
      element("a", { href: hashOf(collection, hit.id, passageOf(hit)), className: hit.title ? "" : "untitled", dir: "auto" }, nameOf(hit)),
      element("p", { className: "glimpse", dir: "auto" }, hit.passage.text),
    ),
  );
  return element(
    "section",
    { className: "neighbours", "aria-labelledby": "neighbours-title" },
    element("h3", { id: "neighbours-title" }, items.length ? `${plural(items.length, "nearest neighbour")}` : "No other document yet"),
    element("ol", {}, ...items),
  );
}
