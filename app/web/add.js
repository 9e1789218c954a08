// The view that takes files into a collection: dropped, or chosen by a button.

import { request } from "./api.js";
import { byId, element, plural, size } from "./dom.js";
import { carriesFiles, chosenFiles, droppedFiles } from "./dropped.js";
import { intake } from "./intake.js";
import { problemNotice, rightsNotice } from "./notices.js";
import { may } from "./offers.js";

/**
 * The view that adds documents.
 * @param {(patch: object) => Promise<void>} navigate
 * @param {() => Promise<void>} changed is called when documents came
 */
export function addView(navigate, changed) {
  let collection = null;
  let accepts = null;
  let mayWrite = false;
  const queue = intake(byId("intake"), tell);

  byId("choose-files").addEventListener("click", () => byId("files").click());
  byId("choose-folder").addEventListener("click", () => byId("folder").click());
  for (const id of ["files", "folder"]) byId(id).addEventListener("change", ({ target }) => (take(chosenFiles(target)), (target.value = "")));
  byId("stop-intake").addEventListener("click", () => queue.stop());
  byId("search-added").addEventListener("click", () => navigate({ view: "search", query: "", like: [], image: null, filter: "" }));
  window.addEventListener("beforeunload", (event) => queue.isBusy() && event.preventDefault());

  // Files may be dropped on every view: they are for the collection that is chosen.
  window.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = mayWrite ? "copy" : "none";
    document.body.classList.toggle("dragging", mayWrite);
  });
  window.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || document.body.classList.remove("dragging"));
  window.addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    document.body.classList.remove("dragging");
    if (!mayWrite) return;
    const files = droppedFiles(event);
    await navigate({ view: "add" });
    take(await files);
  });

  async function take(files) {
    await learn();
    if (accepts && files.length) queue.take(files, collection, accepts);
  }

  function tell({ files, finished, failed, written, unchanged, rejected }, busy) {
    byId("stop-intake").hidden = !busy;
    byId("search-added").hidden = busy || !(written + unchanged);
    const parts = [`${finished} of ${plural(files, "file")}`, `${plural(written, "document")} written`, unchanged && `${unchanged} unchanged`, rejected && `${rejected} rejected`, failed && `${plural(failed, "file")} failed`];
    byId("intake-summary").textContent = parts.filter(Boolean).join(" \u00b7 ");
    if (!busy && written) changed();
  }

  async function show(state, { caller }) {
    if (state.collection !== collection && !queue.isBusy()) {
      queue.clear();
      byId("intake-summary").textContent = "";
      byId("search-added").hidden = true;
    }
    collection = state.collection;
    byId("add-into").textContent = collection;
    byId("drop").hidden = !mayWrite;
    byId("add-problem").replaceChildren(...(mayWrite ? [] : [rightsNotice("add documents", caller, "write")]));
    if (mayWrite) await learn();
  }

  /** Asks once what files are read here. */
  async function learn() {
    try {
      accepts ??= await request("formats");
      byId("add-problem").querySelector(".problem")?.remove();
      byId("accepted").textContent = `${accepts.formats.map(({ name }) => name).join(", ")}; up to ${size(accepts.max_file_bytes)} each.`;
    } catch (problem) {
      byId("add-problem").replaceChildren(problemNotice(problem, learn));
    }
  }

  /** Whether files may be dropped, by what the caller may do. */
  function allow(caller) {
    mayWrite = may(caller, "write");
  }

  return { show, allow };
}
