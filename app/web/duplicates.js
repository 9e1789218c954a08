// The view of documents that are copies of others, side by side, with what differs between them.

import { hashOf } from "./address.js";
import { request } from "./api.js";
import { ask } from "./dialogs.js";
import { differing, piecesOf } from "./differences.js";
import { byId, count, element, plural, size } from "./dom.js";
import { emptyNotice, problemNotice } from "./notices.js";
import { may } from "./offers.js";
import { nameOf, openLightBox, thumbnailOf } from "./pictures.js";

const LISTED = 100;
const SHOWN = 12; // copies of one document that are shown at once

/**
 * The view of duplicates.
 * @param {(patch: object) => void} navigate
 */
export function duplicatesView(navigate) {
  const place = byId("duplicates");
  let shown = null;
  let running = null;

  async function show({ collection }, { caller }) {
    if (shown === collection) return;
    running?.abort();
    running = new AbortController();
    shown = null;
    place.setAttribute("aria-busy", "true");
    place.replaceChildren(headingOf(collection), element("p", { className: "summary", role: "status" }, "Documents are being held against each other\u2026"));
    try {
      const found = await request(`collections/${encodeURIComponent(collection)}/duplicates?limit=${LISTED}`, { signal: running.signal });
      const actions = { mayWrite: may(caller, "write"), like: (id) => navigate({ view: "search", query: "", like: [id], image: null, filter: "" }) };
      place.replaceChildren(headingOf(collection), ...contentsOf(found, collection, actions));
      shown = collection;
    } catch (problem) {
      if (problem.name === "AbortError") return;
      place.replaceChildren(headingOf(collection), problemNotice(problem, () => show({ collection }, { caller })));
    }
    place.setAttribute("aria-busy", "false");
  }

  return { show, forget: () => (shown = null) };
}

const headingOf = (collection) => element("div", { className: "heading" }, element("h2", {}, "Duplicates in ", element("span", { dir: "auto" }, collection)));

function contentsOf({ documents, looked, groups, copies, duplicates }, collection, actions) {
  const part = looked < documents && element("p", { className: "quiet" }, `The first ${count(looked)} of ${plural(documents, "document")} were held against each other. From a shell, bearing diagnose --duplicates takes all.`);
  if (!groups) return [emptyNotice("No document is a copy of another", part)];
  const list = element("ol", { className: "duplicates", "aria-label": "Documents with copies" });
  list.replaceChildren(...duplicates.map((one, i) => groupOf([one, ...one.copies], one.total, collection, actions, i)));
  return [
    element("p", { className: "summary", role: "status" }, element("strong", {}, plural(copies, "copy", "copies")), ` of ${plural(groups, "document")}`, duplicates.length < groups ? `, of which ${count(duplicates.length)} are shown` : ""),
    part,
    list,
  ].filter(Boolean);
}

/** A document and its copies; whatever of it is deleted goes, and the whole once nothing is left to compare. */
function groupOf(documents, total, collection, actions, number) {
  const list = element("ul", { className: "side-by-side", "aria-label": `Document and copies, ${number + 1}` });
  const more = element("p", { className: "quiet" });
  const item = element("li", { className: "duplicate-group" }, list, more);

  function fill(left, all) {
    const seen = left.slice(0, SHOWN + 1);
    const pictures = seen.filter(({ picture }) => picture);
    const words = wordsOf(seen);
    const open = (one) => openLightBox(pictures, pictures.indexOf(one), collection, actions.like);
    const remove = async (one) => {
      if (!(await askToDelete(one, collection))) return;
      const rest = left.filter((other) => other !== one);
      const next = item.nextElementSibling ?? item.previousElementSibling;
      if (rest.length > 1) fill(rest, all - 1);
      else item.remove();
      (rest.length > 1 ? item : next)?.querySelector("a")?.focus();
    };
    list.replaceChildren(...seen.map((one, i) => memberOf(one, seen[0], words[i], collection, { ...actions, open, remove })));
    const hidden = all + 1 - seen.length;
    more.replaceChildren(hidden > 0 ? `${plural(hidden, "more copy", "more copies")}` : "");
  }

  fill(documents, total);
  return item;
}

function memberOf(one, first, words, collection, { mayWrite, open, remove }) {
  const name = nameOf(one);
  return element(
    "li",
    { dataset: { id: one.id } },
    thumbnailOf(one, collection, () => open(one)),
    element("p", { className: "kind" }, one === first ? (one.picture ? "largest" : "first") : [one.kind, one.cosine && one.cosine.toFixed(3)].filter(Boolean).join(" ")),
    element("p", { className: "name" }, element("a", { href: hashOf(collection, one.id), dir: "auto" }, name)),
    factsOf(one, first),
    words.length > 0 && element("p", { className: "words", dir: "auto", tabIndex: 0, role: "group", "aria-label": `Text of ${name}` }, ...words),
    mayWrite && element("div", { className: "actions" }, element("button", { type: "button", className: "delete", onclick: () => remove(one), "aria-label": `Delete ${name}` }, "Delete")),
  );
}

/** What is to be known of a document; what differs from the first of its group stands out. */
function factsOf(one, first) {
  const [told, usual] = [factsIn(one), factsIn(first)];
  const rows = Object.entries(told)
    .filter(([name, value]) => one.picture || value !== usual[name] || one === first)
    .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", { dir: "auto", className: one !== first && value !== usual[name] ? "differs" : "" }, value)));
  return rows.length > 0 && element("dl", { className: "metadata" }, ...rows);
}

function factsIn({ picture, metadata }) {
  const { width, height, orientation, format, headings, ...others } = metadata;
  const told = picture ? { size: `${picture.width} \u00d7 ${picture.height}`, bytes: size(picture.bytes), kind: picture.media_type.replace("image/", "") } : {};
  const rest = Object.entries(picture ? others : metadata).filter(([name]) => name !== "headings");
  return { ...told, ...Object.fromEntries(rest.map(([name, value]) => [name, [value].flat().join(", ")])) };
}

/** The texts of a group, word by word: of the first those are marked that a copy lacks, of copies those that it lacks. */
function wordsOf(documents) {
  const titled = documents.some(({ title }) => title !== documents[0].title); // else each stands above its text
  const pieces = documents.map(({ title, text }) => piecesOf([titled && title, text].filter(Boolean).join("\n")));
  const compared = pieces.slice(1).map((own) => differing(pieces[0], own));
  const ofFirst = new Set(compared.flatMap(([lacking]) => [...lacking]));
  return pieces.map((own, i) => marked(own, i ? compared[i - 1][1] : ofFirst));
}

/** Pieces of a text, neighbouring words of a set within one mark. */
function marked(pieces, places) {
  const parts = [];
  for (let at = 0; at < pieces.length; ) {
    const differs = places.has(at);
    const start = at;
    while (at < pieces.length && places.has(at) === differs) at += 1;
    const text = pieces.slice(start, at).join("");
    parts.push(differs ? element("mark", {}, text.trimEnd()) : text, differs ? text.slice(text.trimEnd().length) : "");
  }
  return parts;
}

function askToDelete(one, collection) {
  const stays = one.picture && !one.picture.kept ? " Its file stays where it is; indexing its folder again brings it back." : "";
  const note = [element("b", { dir: "auto" }, nameOf(one)), ` is deleted from ${collection} for good.${stays}`];
  return ask({ title: "Delete this document?", note, action: "Delete", danger: true }, () =>
    request(`collections/${encodeURIComponent(collection)}/documents/${encodeURIComponent(one.id)}`, { method: "DELETE" }).then(() => true),
  );
}
