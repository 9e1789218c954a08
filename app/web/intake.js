// Files on their way into a collection: one after another, each with its progress and what was rejected.

import { send } from "./api.js";
import { count, element, plural, size } from "./dom.js";

const SHOWN_REJECTS = 100;

/** Totals over files, as they stand. */
export const nothing = () => ({ files: 0, finished: 0, failed: 0, written: 0, unchanged: 0, rejected: 0 });

/**
 * A queue of files for a collection.
 * @param {HTMLElement} list where each file gets an item
 * @param {(totals: object, busy: boolean) => void} tell is told how things stand whenever a file is done
 */
export function intake(list, tell) {
  const waiting = [];
  let totals = nothing();
  let running = null;

  /** Takes files in; those that cannot be read here are rejected without being sent. */
  function take(files, collection, accepts) {
    for (const { file, name } of files) {
      const item = itemOf(name, file.size);
      const complaint = complaintOf(name, file, accepts);
      list.append(item.element);
      totals.files += 1;
      if (!complaint) {
        waiting.push({ file, name, collection, item });
        continue;
      }
      totals.finished += 1;
      totals.rejected += 1;
      item.reject(name, complaint);
      item.finish("rejected", "Not taken");
    }
    tell(totals, isBusy());
    if (!running && waiting.length) work();
  }

  async function work() {
    running = new AbortController();
    while (waiting.length) {
      const next = waiting.shift();
      await bring(next, running.signal);
      totals.finished += 1;
      if (waiting.length) tell(totals, true);
    }
    running = null;
    tell(totals, false);
  }

  async function bring({ file, name, collection, item }, signal) {
    const path = `collections/${encodeURIComponent(collection)}/documents/files?name=${encodeURIComponent(name)}`;
    let last = null;
    const hear = (line) => {
      if (line.event === "rejected") item.reject(line.place, line.reason);
      else last = line;
      if (line.event === "progress") item.advance("Reading", line.size ? line.bytes / line.size : 1, plural(line.written + line.unchanged, "document"));
    };
    try {
      await send(path, file, { sent: (share) => item.advance("Sending", share), hear, signal });
      if (last?.event !== "done") throw new Error(last?.problem?.detail ?? "The answer ended early: the service may have stopped.");
      item.finish(stateOf(last), outcomeOf(last));
    } catch (problem) {
      totals.failed += 1;
      item.finish("failed", problem.name === "AbortError" ? "Stopped" : problem.message || problem.title);
    }
    add(last);
  }

  function add(line) {
    for (const key of ["written", "unchanged", "rejected"]) totals[key] += line?.[key] ?? 0;
  }

  /** Leaves out what waits, and ends what is on its way; what is stored stays. */
  function stop() {
    for (const { item } of waiting.splice(0)) {
      item.finish("failed", "Stopped");
      totals.finished += 1;
      totals.failed += 1;
    }
    running?.abort();
  }

  function clear() {
    list.replaceChildren();
    totals = nothing();
  }

  const isBusy = () => running !== null || waiting.length > 0;

  return { take, stop, clear, isBusy };
}

/** Why a file would be refused, null if it would not for what is known of it here. */
function complaintOf(name, file, { formats, max_file_bytes: most }) {
  const lower = name.toLowerCase();
  const suffixes = formats.flatMap((format) => format.suffixes);
  const isNamed = /[^./][.][^./]+$/.test(lower); // what has no suffix is told by its content
  if (isNamed && !suffixes.some((suffix) => lower.endsWith(suffix))) return `Its format is not read here; known are ${suffixes.filter((one) => !one.endsWith(".gz")).join(", ")}`;
  return file.size > most ? `${size(file.size)}, at most ${size(most)} (BEARING_MAX_FILE_BYTES)` : null;
}

/** Whether all of a file is in the collection, some of it, or nothing. */
const stateOf = ({ written, unchanged, rejected }) => (!rejected ? "done" : written + unchanged ? "partly" : "rejected");

function outcomeOf({ written, unchanged, rejected, repeated, truncated, unknown }) {
  const parts = [
    (written > 0 || !unchanged) && `${plural(written, "document")} written`,
    unchanged > 0 && `${count(unchanged)} unchanged`,
    rejected > 0 && `${count(rejected)} rejected`,
    repeated > 0 && `${count(repeated)} of an id that came before`,
    truncated.length > 0 && `${count(truncated.length)} not wholly embedded`,
    unknown.length > 0 && `${count(unknown.length)} with a passage that the model cannot read`,
  ];
  return parts.filter(Boolean).join(", ");
}

/** A file in the list: its bar, what happens to it in words, and what was rejected of it. */
function itemOf(name, bytes) {
  const bar = element("progress", { max: 1, value: 0, "aria-label": name });
  const words = element("span", { className: "state" }, "Waiting");
  const rejects = element("ul");
  const details = element("details", { className: "rejects", hidden: true }, element("summary", {}, "What was rejected"), rejects);
  let rejected = 0;
  const made = element("li", { className: "file", dataset: { name, state: "waiting" } }, element("span", { className: "name", dir: "auto" }, name), element("span", { className: "quiet" }, size(bytes)), bar, words, details);

  function advance(doing, share, more) {
    made.dataset.state = "running";
    bar.value = share;
    words.textContent = [`${doing} ${Math.floor(100 * share)} %`, more].filter(Boolean).join(" \u00b7 ");
  }

  function reject(place, reason) {
    rejected += 1;
    details.hidden = false;
    if (rejected <= SHOWN_REJECTS) rejects.append(element("li", {}, element("b", { dir: "auto" }, place), ` ${reason}`));
    else if (rejected === SHOWN_REJECTS + 1) rejects.append(element("li", { className: "quiet" }, `Only the first ${SHOWN_REJECTS} are shown; bearing index writes all of them to a file.`));
  }

  function finish(state, text) {
    made.dataset.state = state;
    bar.value = 1;
    words.textContent = text;
    details.open = state === "rejected";
  }

  return { element: made, advance, reject, finish };
}
