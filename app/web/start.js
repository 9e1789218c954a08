// What a search begins with: queries that the collection itself suggests, and its first documents.

import { hashOf } from "./address.js";
import { request } from "./api.js";
import { element, plural } from "./dom.js";
import { command, emptyNotice } from "./notices.js";
import { nameOf, smallPicture } from "./pictures.js";

const EXAMPLES = 6;
const FIRST = 5;
const PICTURES = 18;
const GLIMPSE = 240;

/** The command that fills a collection; the usual one need not be named. */
export const fillCommand = (name) => (name === "default" ? "bearing index PATH" : `bearing index PATH --collection ${name}`);

/** An empty collection, and the ways to fill it. */
export function emptyCollection({ name }, addButton) {
  const how = addButton ? "Drop files on this page, or choose them:" : "Put documents into it:";
  return emptyNotice("Nothing to find yet", element("p", {}, "The collection ", element("b", { dir: "auto" }, name), ` is empty. ${how}`), addButton, element("p", {}, "From a shell on the service\u2019s machine:"), command(fillCommand(name)));
}

/**
 * A collection's examples and first documents, which come when they come; what cannot be asked is left out.
 * @param {{name: string}} collection
 * @param {(patch: object) => void} navigate
 */
export function startOf({ name }, navigate) {
  const place = element("div", { className: "start", "aria-busy": "true" });
  const base = `collections/${encodeURIComponent(name)}`;
  const asked = [request(`${base}/examples?limit=${EXAMPLES}`), request(`${base}/documents?limit=${PICTURES}`)];
  Promise.allSettled(asked).then(([examples, first]) => {
    place.append(...[examplesOf(examples.value, name, navigate), firstOf(first.value, name), keys()].filter(Boolean));
    place.setAttribute("aria-busy", "false");
  });
  return place;
}

function examplesOf(told, name, navigate) {
  if (!told?.queries.length) return null;
  const ask = (event, query) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // to another tab
    event.preventDefault();
    navigate({ query, image: null });
  };
  const items = told.queries.map((query) => element("li", {}, element("a", { href: searchFor(query, name), dir: "auto", onclick: (event) => ask(event, query) }, query)));
  return element("section", {}, element("h2", {}, "Try"), element("ul", { className: "examples", "aria-label": "Example queries" }, ...items));
}

/** How much there is to find, and how. */
export const glanceOf = ({ documents }) => [element("strong", {}, plural(documents, "document")), element("span", { className: "how" }, ", found by what they mean, not only by their words")];

const searchFor = (q, c) => `?${new URLSearchParams({ q, c })}`;

function firstOf(told, name) {
  if (!told?.documents.length) return null;
  const seen = told.documents.filter(({ picture }) => picture);
  if (seen.length * 2 > told.documents.length) return picturesOf(seen, name);
  const items = told.documents.slice(0, FIRST).map(({ id, title, text }) =>
    element("li", {}, element("a", { href: hashOf(name, id), className: title ? "" : "untitled", dir: "auto" }, title || id), element("p", { className: "glimpse", dir: "auto" }, text.slice(0, GLIMPSE))),
  );
  return element("section", {}, element("h2", {}, "First documents"), element("ol", { className: "first", "aria-label": "First documents" }, ...items));
}

function picturesOf(documents, name) {
  const items = documents.map((one) => element("li", {}, element("a", { href: hashOf(name, one.id), "aria-label": nameOf(one) }, smallPicture(one, name))));
  return element("section", {}, element("h2", {}, "First pictures"), element("ol", { className: "first-pictures", "aria-label": "First pictures" }, ...items));
}

const keys = () => element("p", { className: "keys" }, element("kbd", {}, "/"), " to the box, ", element("kbd", {}, "\u2193"), element("kbd", {}, "\u2191"), " through the hits, ", element("kbd", {}, "Enter"), " opens one");
