// The metadata fields of a collection, asked for once, and which of them tell its documents apart.

import { request } from "./api.js";

const COMMON = 100;
/** A field with a value of its own in more than this share of the documents names them: it groups nothing. */
const NEAR_UNIQUE = 0.5;
/** A field that less than this share of the documents has is told of last. */
const RARE = 0.1;
/** In so few documents nothing is called near-unique. */
const FEW_DOCUMENTS = 30;

const asked = new Map();

/** The fields of a collection as the service tells them; what cannot be asked is asked again the next time. */
export function fieldsOf(collection) {
  if (!asked.has(collection)) {
    const telling = request(`collections/${encodeURIComponent(collection)}/fields?common=${COMMON}`).then(({ fields }) => fields);
    telling.catch(() => asked.delete(collection));
    asked.set(collection, telling);
  }
  return asked.get(collection);
}

/** To be called when documents came or went. */
export const forgetFields = () => asked.clear();

/** Whether all documents have the same value of a field. */
export const isConstant = ({ distinct, common }, documents) => distinct <= 1 && (common[0]?.documents ?? 0) >= documents;

/** Whether hardly a document has a field, as far as its common values tell. */
export const isRare = ({ common, distinct }, documents) => distinct <= COMMON && common.reduce((sum, one) => sum + one.documents, 0) < RARE * documents;

const isNearUnique = ({ distinct }, documents) => documents >= FEW_DOCUMENTS && distinct > NEAR_UNIQUE * documents;

/**
 * The names of the fields that tell documents apart, those of few values first.
 * @param {object[]} fields
 * @param {number} documents how many there are
 */
export function tellingNames(fields, documents) {
  const telling = fields.filter((field) => !isConstant(field, documents) && !isNearUnique(field, documents));
  return telling.sort((a, b) => a.distinct - b.distinct).map(({ name }) => name);
}
