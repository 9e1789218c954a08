// What this service offers: its collections, and the measures that its OpenAPI document names.

import { request } from "./api.js";

/** Collections, and similarity measures; a service without an OpenAPI document measures cosines. */
export async function readOffers() {
  const [listing, document] = await Promise.all([request("collections"), request("openapi.json").catch(() => ({}))]);
  return {
    collections: listing.collections,
    measures: namesIn(document, "/admin/similarity", "metrics") ?? ["cosine", "cosine_distance"],
  };
}

/** The modes in which a collection can be searched; every one can be searched densely. */
export const modesOf = (collection) => collection?.index?.modes ?? ["dense"];

/** The closed set of strings that a field of a route's request body may hold, if it has one. */
function namesIn(document, route, field) {
  const schema = document.paths?.[route]?.post?.requestBody?.content?.["application/json"]?.schema;
  const names = valuesOf(resolved(schema, document)?.properties?.[field], document);
  return names.length ? names : null;
}

function resolved(schema, document) {
  const name = schema?.$ref?.split("/").pop();
  return name ? document.components?.schemas?.[name] : schema;
}

function valuesOf(given, document) {
  const schema = resolved(given, document);
  if (!schema) return [];
  if (schema.const) return [schema.const];
  const inner = [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return schema.enum ?? inner.flatMap((part) => valuesOf(part, document));
}
