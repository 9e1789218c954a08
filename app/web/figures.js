// What a collection is, in figures: its size, model, index, recall, and how fast it answered here.

import { count, element, milliseconds, plural, size } from "./dom.js";
import { latencyOf } from "./latencies.js";

const KINDS = {
  exact: "Every vector is compared",
  reduced: "A scan of vectors of half the dimensions, compressed, rescored",
  scan: "A scan of compressed vectors, rescored",
  reduced_partitioned: "Parts of vectors of half the dimensions, compressed, rescored",
  partitioned: "Parts of compressed vectors, rescored",
  graph: "A graph of neighbours",
};

/** The figures as a description list. */
export function figuresOf(collection) {
  return element("dl", { className: "figures" }, ...rowsOf(collection));
}

function rowsOf({ name, model, dimension, documents, chunks, bytes, truncated, unknown, index }) {
  const latency = latencyOf(name);
  return [
    fact("Documents", count(documents)),
    fact("Passages", count(chunks)),
    fact("Model", model),
    fact("Dimensions", count(dimension)),
    fact("On disk", size(bytes)),
    fact("Index", String(index.kind), KINDS[index.kind]),
    fact(index.recall_k ? `Recall@${index.recall_k}` : "Recall", ...recallOf(index)),
    latency && fact("Latency", milliseconds(latency.median), `Median of the last ${plural(latency.searches, "search", "searches")} in this tab; the slowest took ${milliseconds(latency.most)}`),
    index.adapter && fact("Adapter", index.adapter.forced ? `${index.adapter.name}, by force` : index.adapter.name, "A map of queries that was trained"),
    index.forced && fact("Promoted", "by force", "The gate refused this model"),
    index.beside && fact("Kept beside", size(index.beside.bytes), `Vectors of ${index.beside.model}; bearing compact drops them`),
    truncated > 0 && fact("Truncated", count(truncated), "Documents whose text does not wholly fit the model"),
    unknown > 0 && fact("Unknown", count(unknown), "Documents with a passage of which the model knows no word: its vector says nothing. A model that knows the language does better, and so does a hybrid search"),
  ];
}

/** Recall of real queries where some were compared, else that measured when the index was built; with its 95 % interval. */
function recallOf(index) {
  const { recall, watched_recall: watched } = index;
  if (typeof watched === "number") return [shareWithin(watched, index.watched_interval), `Of the last ${plural(index.watched_queries, "real query", "real queries")} that were compared with exact search${further(index)}`];
  if (typeof recall !== "number") return ["unknown"];
  const measured = `Of the best ${index.recall_k}, measured with ${plural(index.recall_queries ?? 0, "query", "queries")} when the index was built`;
  return [shareWithin(recall, index.recall_interval), index.recall_k ? measured + further(index) : "Search is exact"];
}

/** What was measured for more hits than the first figure is of. */
function further({ recall_k, bands = {} }) {
  const others = Object.entries(bands).filter(([k]) => Number(k) !== recall_k);
  return others.map(([k, { recall }]) => `; recall@${k} was ${share(recall)}`).join("");
}

const shareWithin = (value, interval) => (interval ? `${share(value)} (${percent(interval[0])} to ${percent(interval[1])})` : share(value));
/** Rounded down, so that only what is exact is called 100 %. */
const percent = (value) => (value === 1 ? "100" : (Math.floor(1000 * value) / 10).toFixed(1));
const share = (value) => `${percent(value)} %`;

const fact = (term, value, title) => element("div", { title }, element("dt", {}, term), element("dd", {}, value));
