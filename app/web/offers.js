// What this service offers: its collections, what the reader's key may do, and what its OpenAPI document names.

import { request } from "./api.js";

const ROLES = ["search", "write", "admin"];

/** Collections, the caller, measures and languages; a service without an OpenAPI document measures cosines. */
export async function readOffers() {
  const [listing, caller, document] = await Promise.all([request("collections"), request("whoami"), request("openapi.json").catch(() => ({}))]);
  return {
    collections: withAliases(listing.collections),
    caller,
    measures: namesIn(document, "post", "/admin/similarity", "metrics") ?? ["cosine", "cosine_distance"],
    languages: namesIn(document, "put", "/collections/{collection}", "language") ?? [],
  };
}

/** Collections, each by its name and by its aliases, which say `aliasOf` what they are. */
export const withAliases = (collections) => collections.flatMap((one) => [one, ...(one.aliases ?? []).map((alias) => ({ ...one, name: alias, aliasOf: one.name }))]);

/** Whether the caller may do what needs a role: each role may do what those before it may. */
export const may = ({ role }, needed) => ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** The modes in which a collection can be searched; every one can be searched densely. */
export const modesOf = (collection) => collection?.index?.modes ?? ["dense"];

/** The mode in which a text is searched for where none is chosen. */
export const usualModeOf = (modes) => (modes.includes("hybrid") ? "hybrid" : modes[0]);

/** The closed set of strings that a field of a route's request body may hold, if it has one. */
function namesIn(document, method, route, field) {
  const schema = document.paths?.[route]?.[method]?.requestBody?.content?.["application/json"]?.schema;
  const object = schema?.anyOf?.find((option) => option.$ref) ?? schema;
  const names = valuesOf(resolved(object, document)?.properties?.[field], document);
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
