// Pictures of documents: small in lists, large in a box of their own; and pictures to search by.

import { hashOf } from "./address.js";
import { bytesOf, hasKey, urlOf } from "./api.js";
import { element } from "./dom.js";

const given = new Map(); // pictures to search by, as data: URLs; they outlive no reload

/** Keeps a picture to search by; resolves to the name by which `givenPicture` has it. */
export async function keepPicture(file) {
  const name = String(given.size + 1);
  given.set(name, await asDataUrl(file));
  return name;
}

/** The picture of that name as a data: URL; undefined after a reload. */
export const givenPicture = (name) => given.get(name);

/** The picture that a paste or a drop carries, if it carries one and nothing else. */
export function pictureIn({ files }) {
  const all = [...(files ?? [])];
  return all.length === 1 && all[0].type.startsWith("image/") ? all[0] : null;
}

const pathOf = (collection, id, what) => `collections/${encodeURIComponent(collection)}/documents/${encodeURIComponent(id)}/${what}`;

/** The image at a path; where a key is needed it is asked for with it, since elements send none. */
function imageAt(path, properties) {
  const image = element("img", { loading: "lazy", decoding: "async", ...properties });
  const fade = () => image.classList.add("gone");
  if (hasKey()) bytesOf(path).then(asDataUrl).then((url) => (image.src = url), () => (fade(), image.dispatchEvent(new Event("missing"))));
  else image.src = urlOf(path);
  image.addEventListener("error", fade);
  return image;
}

const LONGEST_NAME = 32;

/** What a document is called: its title, or its id; of a picture with a long path as its id, the file's name. */
export function nameOf({ id, title, picture }) {
  const file = id.slice(id.lastIndexOf("/") + 1);
  return title || (picture && file && id.length > LONGEST_NAME ? file : id);
}

const altOf = (hit) => hit.text || nameOf(hit);

/** A document's picture in small; null for a document without one. */
export function smallPicture(hit, collection) {
  if (!hit.picture) return null;
  const { width, height } = hit.picture;
  return imageAt(pathOf(collection, hit.id, "thumbnail"), { alt: altOf(hit), width, height, className: "small-picture" });
}

/** A document's picture in small, which opens it in large; null for a document without one. */
export function thumbnailOf(hit, collection, open) {
  if (!hit.picture) return null;
  return element("button", { type: "button", className: "thumbnail", "aria-label": `Show ${nameOf(hit)} in large`, onclick: open }, smallPicture(hit, collection));
}

/** A document's picture as it was given; where that is gone, its thumbnail, which says so. */
export function wholePicture(hit, collection) {
  const { width, height } = hit.picture;
  const place = element("div", { className: "whole-picture-place" });
  const image = imageAt(pathOf(collection, hit.id, "picture"), { alt: altOf(hit), width, height, className: "whole-picture", loading: "eager" });
  const showGone = () => place.replaceChildren(smallPicture(hit, collection), element("p", { className: "picture-gone", role: "status" }, "The picture is no longer where it was indexed: this is its thumbnail."));
  image.addEventListener("error", showGone);
  image.addEventListener("missing", showGone);
  place.append(image);
  return place;
}

/** What is known of a picture: its size and kind, and its document's metadata. */
function factsOf({ picture, metadata = {} }) {
  const { width, height, orientation, format, headings, ...others } = metadata;
  const told = { size: `${picture.width} \u00d7 ${picture.height}`, kind: picture.media_type.replace("image/", ""), ...others };
  const rows = Object.entries(told).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", { dir: "auto" }, [value].flat().join(", "))));
  return element("dl", { className: "metadata" }, ...rows);
}

/**
 * Shows the pictures of hits one by one, in large; arrows lead from one to the next.
 * @param {object[]} hits those that have pictures
 * @param {number} first
 * @param {string} collection
 * @param {(id: string) => void} like searches for more of the kind
 */
export function openLightBox(hits, first, collection, like) {
  const place = element("figure", {});
  const dialog = element("dialog", { className: "light-box", "aria-label": "Picture" }, place);
  let at = first;

  function show() {
    const hit = hits[at];
    const name = nameOf(hit);
    const go = (step, label, sign) => element("button", { type: "button", "aria-label": label, disabled: !hits[at + step], onclick: () => turn(step) }, sign);
    place.replaceChildren(
      wholePicture(hit, collection),
      element(
        "figcaption",
        {},
        go(-1, "Picture before", "\u2190"),
        go(1, "Next picture", "\u2192"),
        element("span", { className: "caption" }, element("a", { href: hashOf(collection, hit.id), dir: "auto", onclick: () => dialog.close() }, name), hit.text && element("span", { className: "quiet", dir: "auto" }, hit.text)),
        element("button", { type: "button", onclick: () => (dialog.close(), like(hit.id)) }, "More like this"),
        element("button", { type: "button", className: "close", onclick: () => dialog.close() }, "Close"),
      ),
      factsOf(hit),
    );
  }

  function turn(step) {
    if (!hits[at + step]) return;
    at += step;
    show();
  }

  dialog.addEventListener("keydown", ({ key }) => turn({ ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0));
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  show();
  dialog.showModal();
}

function asDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}
