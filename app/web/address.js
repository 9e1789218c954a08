// What the page shows, as its address: a link brings another reader to the same answer.
// Texts to compare and the document that is read stand in the fragment, which browsers keep from the
// service's logs.

const LONGEST_FRAGMENT = 4_000;
const DOCUMENT = /^#\/c\/([^/]+)\/d\/(.+?)(?:\/at\/(\d+)-(\d+))?$/;
const VIEWS = ["search", "map", "compare", "collections", "add", "duplicates"];

/** The state that an address names; what it leaves out has its default. */
export function readAddress(location = window.location) {
  const query = new URLSearchParams(location.search);
  const found = documentIn(location.hash);
  const fragment = new URLSearchParams(found ? "" : location.hash.slice(1));
  return {
    view: found ? "document" : VIEWS.includes(query.get("view")) ? query.get("view") : "search",
    collection: found?.collection ?? query.get("c"),
    document: found?.id ?? null,
    at: found?.at ?? null,
    query: query.get("q") ?? "",
    like: query.getAll("like"),
    image: null, // stands in no address
    k: wholeNumber(query.get("k"), 10),
    mode: query.get("mode"),
    exact: query.get("exact") === "1",
    filter: query.get("filter") ?? "",
    measure: query.get("measure"),
    temperature: query.get("temperature") ?? "",
    colour: query.get("colour") ?? "",
    keep: query.getAll("keep"),
    seen: seenIn(query.get("seen")),
    texts: fragment.get("texts") ?? "",
    against: fragment.get("against") ?? "",
  };
}

/**
 * The fragment that leads to a document, and to a passage of it.
 * @param {[number, number] | null} [at] the passage, in code points
 */
export const hashOf = (collection, id, at = null) => `#/c/${encodeURIComponent(collection)}/d/${encodeURIComponent(id)}${at ? `/at/${at[0]}-${at[1]}` : ""}`;

/** The document that a fragment leads to, null if it leads to none. */
function documentIn(hash) {
  const [, collection, id, start, end] = DOCUMENT.exec(hash) ?? [];
  const at = end && Number(start) < Number(end) ? [Number(start), Number(end)] : null;
  try {
    return id ? { collection: decodeURIComponent(collection), id: decodeURIComponent(id), at } : null;
  } catch {
    return null; // a % that encodes nothing
  }
}

/** The address of a state, without what is as usual. */
export function addressOf(state, usual) {
  const query = new URLSearchParams();
  const put = (name, value, otherwise) => value && value !== otherwise && query.set(name, value);
  const searches = ["search", "document"].includes(state.view); // a document is read beside its search
  if (!searches) query.set("view", state.view);
  put("q", (searches || state.view === "map") && state.query);
  if (searches) state.like.forEach((id) => query.append("like", id));
  put("c", state.collection, usual.collection);
  if (searches) {
    put("k", String(state.k), "10");
    put("mode", state.mode, usual.mode);
    put("exact", state.exact && "1");
    put("filter", state.filter);
  } else if (state.view === "map") {
    put("colour", state.colour);
    state.keep.forEach((value) => query.append("keep", value));
    put("seen", state.seen?.map((at) => at.toPrecision(4)).join(","));
  } else if (state.view === "compare") {
    put("measure", state.measure, usual.measure);
    put("temperature", state.temperature);
  }
  const text = query.toString();
  return `${location.pathname}${text ? `?${text}` : ""}${fragmentOf(state)}`;
}

function fragmentOf({ view, texts, against, collection, document, at }) {
  if (view === "document") return hashOf(collection, document, at);
  if (view !== "compare" || !texts) return "";
  const fragment = new URLSearchParams(against ? { texts, against } : { texts }).toString();
  return fragment.length <= LONGEST_FRAGMENT ? `#${fragment}` : "";
}

/** Where a map is looked at: the middle, and how many times it is magnified. */
function seenIn(text) {
  const numbers = (text ?? "").split(",").map(Number);
  return numbers.length === 3 && numbers.every(Number.isFinite) ? numbers : null;
}

function wholeNumber(text, otherwise) {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : otherwise;
}
