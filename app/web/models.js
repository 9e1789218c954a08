// What was trained, how good it is, and which of it serves; a key that may admin lets one serve.

import { job, Problem, request } from "./api.js";
import { ask, tell } from "./dialogs.js";
import { element, figure, plural } from "./dom.js";

const LEAST_P = 0.0001; // below which it is not told how small p is
const SHOWN = ["queries", "documents"]; // what a card's figures are held out by; `bearing models NAME` tells all

/**
 * The trained models as a section, null where there are none; what cannot be asked is left out.
 * @param {string} collection where one would serve
 * @param {boolean} mayManage whether the reader's key may promote
 * @param {() => Promise<void>} changed called when another serves
 */
export async function modelsSection(collection, mayManage, changed) {
  const { models } = await request("models").catch(() => ({ models: [] }));
  if (!models.length) return null;
  return element(
    "section",
    { className: "models", "aria-labelledby": "models-heading" },
    element("h2", { id: "models-heading" }, "Trained models"),
    element("ul", { className: "collections", "aria-label": "Trained models" }, ...models.map((one) => cardOf(one, collection, mayManage, changed))),
  );
}

/** The way back from the last promotion in a collection, where there is one. */
export function rollbackButton({ name, index }, changed) {
  if (!index?.adapter && !index?.promoted_over) return null;
  return element("button", { type: "button", className: "rollback", onclick: async () => (await askToRollBack(name)) && changed(), "aria-label": `Roll back ${name}` }, "Roll back");
}

function cardOf(model, collection, mayManage, changed) {
  const { name, error, serves = [] } = model;
  const promote = async () => (await askToPromote(name, collection)) && changed();
  return element(
    "li",
    { dataset: { model: name } },
    element("h3", { dir: "auto" }, name, serves.length > 0 && element("span", { className: "chosen" }, ` serves ${serves.join(", ")}`)),
    ...(error ? [element("p", { className: "problem-line" }, error)] : [element("dl", { className: "figures" }, ...rowsOf(model)), measured(model)].filter(Boolean)),
    ...[model.verdict?.case, ...(model.verdict?.notes ?? []), ...(model.verdict?.reasons ?? [])].filter(Boolean).map((reason) => element("p", { className: "quiet" }, reason)),
    mayManage && !error && collection && !serves.includes(collection) && element("div", { className: "actions" }, element("button", { type: "button", className: "promote", onclick: promote, "aria-label": `Promote ${name} in ${collection}` }, `Promote in ${collection}`)),
  );
}

const rowsOf = ({ kind, method, base, pairs, queries, verdict }) => [
  fact("Kind", kind === method ? kind : `${kind}, by ${method}`),
  fact("Began with", base),
  fact("Trained on", `${plural(pairs, "pair")} of ${plural(queries, "query", "queries")}`),
  fact("Gate", verdict ? (verdict.passed ? "passed" : "refused") : "not asked"),
];

/** How good it is on what was held out: before it was trained, after, and by how much that differs. */
function measured({ name, figures }) {
  const rows = figures.filter(({ split }) => SHOWN.includes(split)).map(({ measure, split, mode, before, after, queries, p }) => {
    const change = after - before;
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, `${measure} by ${split}${mode && `, ${mode}`}`),
      ...[figure(before), figure(after)].map((text) => element("td", {}, text)),
      element("td", { className: "change", dataset: { sign: change < 0 ? "negative" : "positive" } }, `${change < 0 ? "" : "+"}${figure(change)}`),
      element("td", {}, p === null ? "" : p < LEAST_P ? "<0.0001" : figure(p, 4)),
      element("td", {}, queries.toLocaleString()),
    );
  });
  const heads = ["Held out", "Before", "After", "Change", "p", "Queries"].map((head) => element("th", { scope: "col" }, head));
  return rows.length > 0 && element("table", { className: "measured", "aria-label": `Figures of ${name}` }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

const fact = (term, value, title) => element("div", { title }, element("dt", {}, term), element("dd", {}, value));

/** Asks whether a model is to serve, and waits for the gate; true if it serves. A refusal is told in the dialog. */
async function askToPromote(model, collection) {
  const heard = element("p", { className: "quiet", role: "status" });
  const hear = ({ event, phase, done, total }) => event === "progress" && (heard.textContent = `${phase}: ${done} of ${total}`);
  const note = [element("b", {}, model), " serves ", element("b", {}, collection), " from then on, if it is shown to be better on queries held out."];
  const done = await ask({ title: "Promote this model?", note, fields: [heard], action: "Promote" }, async () => {
    const outcome = await job(at(collection), { model }, hear);
    const { serves, verdict } = outcome;
    if (!serves) throw new Problem("The gate refused it", [...verdict.reasons, ...verdict.advice].join("; "));
    return outcome;
  });
  return done !== null && tellMore(done, `${model} serves ${collection}`);
}

/** Tells what changed beside what serves, if anything did; true. */
async function tellMore({ verdict, calibrated, not_calibrated: dropped }, title) {
  const sentences = [
    ...(verdict?.notes ?? []),
    ...(calibrated.length > 0 ? [`Calibrated for it: ${calibrated.join(", ")}`] : []),
    ...Object.entries(dropped).map(([ranking, reason]) => `Not calibrated any more: ${ranking} (${reason})`),
  ];
  if (sentences.length > 0) await tell(title, sentences);
  return true;
}

async function askToRollBack(collection) {
  const note = ["What served ", element("b", {}, collection), " before the last promotion serves again."];
  const done = await ask({ title: "Roll back?", note, action: "Roll back" }, () => job(at(collection), { rollback: true }, () => {}));
  return done !== null && tellMore(done, `${collection} is served as before`);
}

const at = (collection) => `collections/${encodeURIComponent(collection)}/model`;
