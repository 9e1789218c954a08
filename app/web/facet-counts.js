// How often values stand in what a query finds: among its best hits, or, by words, in all that hold one.

import { request } from "./api.js";
import { without } from "./filters.js";

const DEPTH = 100;
const VALUES = 100;
const MOST_FIELDS = 32; // of a request

/**
 * The counts of fields' values for a search, each field's as if it had no condition of its own.
 * @param {string} path of the search
 * @param {object} body of the search
 * @param {string[]} names of the fields
 * @param {AbortSignal} signal
 * @returns {Promise<{documents: number, byName: Map<string, object[]>}>} over how many documents, and the values of each field with their counts
 */
export async function countsFor(path, { cursor, ...body }, names, signal) {
  const own = names.filter((name) => name in (body.filter ?? {}));
  const others = names.filter((name) => !own.includes(name)).slice(0, MOST_FIELDS);
  const ask = (facets, filter) => facetsOf(path, { ...body, filter }, facets, signal);
  const answers = await Promise.all([ask(others, body.filter), ...own.map((name) => ask([name], without(body.filter, { key: name, operator: null })))]);
  return { documents: answers[0].documents, byName: new Map(answers.flatMap(({ fields }) => Object.entries(fields).map(([name, { values }]) => [name, values]))) };
}

async function facetsOf(path, { filter, ...body }, facets, signal) {
  const depth = body.mode === "lexical" ? {} : { facet_depth: DEPTH };
  const asked = { ...body, ...(filter && { filter }), k: 1, fields: ["title"], facets, facet_values: VALUES, ...depth };
  return facets.length ? (await request(path, { body: asked, signal })).facets : { documents: 0, fields: {} };
}

/** The values of a field with their counts for the query, the most frequent first; those that it does not find have none. */
export function counted(values, counts) {
  if (!counts) return values;
  const others = values.filter(({ value }) => !counts.some((one) => one.value === value)).map((one) => ({ ...one, documents: 0 }));
  return [...counts, ...others];
}
