// What a collection is, in figures: its size, model, index, recall, and how fast it answered here.

import { count, milliseconds, plural, size } from "./dom.js";
import { latencyOf } from "./latencies.js";

const KINDS = {
  exact: "Every vector is compared",
  reduced: "A scan of vectors of half the dimensions, compressed, rescored",
  scan: "A scan of compressed vectors, rescored",
  reduced_partitioned: "Parts of vectors of half the dimensions, compressed, rescored",
  partitioned: "Parts of compressed vectors, rescored",
  graph: "A graph of neighbours",
};

/** Where a key sees a part of a collection, only its documents are counted. */
const UNTOLD = "\u2013";

/** The columns in which collections are told, each with what stands there: a text, and more where the pointer rests on it. */
export const COLUMNS = {
  Documents: ({ documents }) => [count(documents)],
  Passages: ({ chunks }) => [chunks === null ? UNTOLD : count(chunks)],
  Model: ({ model, dimension }) => [model, `${count(dimension)} dimensions`],
  Index: ({ index }) => [index.kind ?? UNTOLD, KINDS[index.kind]],
  Recall: ({ index }) => recallOf(index),
  "On disk": ({ bytes }) => [bytes === null ? UNTOLD : size(bytes)],
};

/** What is to be said of a collection besides, each with its reason. */
export function remarksOf({ name, aliases = [], truncated, unknown, index }) {
  const latency = latencyOf(name);
  return [
    aliases.length > 0 && [`Also ${aliases.join(", ")}`, "Aliases, which can be pointed to another collection"],
    latency && [`Searches took ${milliseconds(latency.median)}`, `Median of the last ${plural(latency.searches, "search", "searches")} in this tab; the slowest took ${milliseconds(latency.most)}`],
    index.adapter && [`Adapter ${index.adapter.name}${index.adapter.forced ? ", by force" : ""}`, "A map of queries that was trained"],
    index.forced && ["Promoted by force", "The gate refused this model"],
    index.beside && [`${size(index.beside.bytes)} kept beside`, `Vectors of ${index.beside.model}; bearing compact drops them`],
    truncated > 0 && [`${count(truncated)} truncated`, "Documents whose text does not wholly fit the model"],
    unknown > 0 && [`${count(unknown)} unknown`, "Documents with a passage of which the model knows no word: its vector says nothing. A model that knows the language does better, and so does a hybrid search"],
  ].filter(Boolean);
}

/** Recall of real queries where some were compared, else that measured when the index was built; with its 95 % interval. */
function recallOf(index) {
  const { recall, watched_recall: watched } = index;
  if (typeof watched === "number") return [shareAt(watched, index.recall_k), `${within(index.watched_interval)}Of the last ${plural(index.watched_queries, "real query", "real queries")} that were compared with exact search${further(index)}`];
  if (typeof recall !== "number") return [index.kind ? "unknown" : UNTOLD];
  const measured = `${within(index.recall_interval)}Of the best ${index.recall_k}, measured with ${plural(index.recall_queries ?? 0, "query", "queries")} when the index was built`;
  return [shareAt(recall, index.recall_k), index.recall_k ? measured + further(index) : "Search is exact"];
}

/** What was measured for more hits than the first figure is of. */
function further({ recall_k, bands = {} }) {
  const others = Object.entries(bands).filter(([k]) => Number(k) !== recall_k);
  return others.map(([k, { recall }]) => `; recall@${k} was ${share(recall)}`).join("");
}

const shareAt = (value, k) => (k ? `${share(value)} @${k}` : share(value));
const within = (interval) => (interval ? `${percent(interval[0])} to ${percent(interval[1])} %. ` : "");
/** Rounded down, so that only what is exact is called 100 %. */
const percent = (value) => (value === 1 ? "100" : (Math.floor(1000 * value) / 10).toFixed(1));
const share = (value) => `${percent(value)} %`;
