// What the page shows, as its address: a link brings another reader to the same answer.
// Texts to compare stand in the fragment, which browsers keep from the service's logs.

const LONGEST_FRAGMENT = 4_000;

/** The state that an address names; what it leaves out has its default. */
export function readAddress(location = window.location) {
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.slice(1));
  return {
    view: query.get("view") === "compare" ? "compare" : "search",
    collection: query.get("c"),
    query: query.get("q") ?? "",
    like: query.getAll("like"),
    k: wholeNumber(query.get("k"), 10),
    mode: query.get("mode"),
    exact: query.get("exact") === "1",
    filter: query.get("filter") ?? "",
    measure: query.get("measure"),
    temperature: query.get("temperature") ?? "",
    texts: fragment.get("texts") ?? "",
    against: fragment.get("against") ?? "",
  };
}

/** The address of a state, without what is as usual. */
export function addressOf(state, usual) {
  const query = new URLSearchParams();
  const put = (name, value, otherwise) => value && value !== otherwise && query.set(name, value);
  if (state.view === "compare") query.set("view", "compare");
  put("q", state.view === "search" && state.query);
  if (state.view === "search") state.like.forEach((id) => query.append("like", id));
  put("c", state.collection, usual.collection);
  if (state.view === "search") {
    put("k", String(state.k), "10");
    put("mode", state.mode, usual.mode);
    put("exact", state.exact && "1");
    put("filter", state.filter);
  } else {
    put("measure", state.measure, usual.measure);
    put("temperature", state.temperature);
  }
  const text = query.toString();
  return `${location.pathname}${text ? `?${text}` : ""}${fragmentOf(state)}`;
}

function fragmentOf({ view, texts, against }) {
  if (view !== "compare" || !texts) return "";
  const fragment = new URLSearchParams(against ? { texts, against } : { texts }).toString();
  return fragment.length <= LONGEST_FRAGMENT ? `#${fragment}` : "";
}

function wholeNumber(text, otherwise) {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : otherwise;
}
