// Dialogs that ask for something, do it, and stay open with the reason where that fails.

import { element } from "./dom.js";

let asked = 0;

/**
 * Asks, then acts; resolves to what the act gave once it is done, to null if the reader would rather not.
 * @param {{title: string, note?: (Node | string)[], fields?: HTMLElement[], action: string, danger?: boolean}} question
 * @param {(values: Record<string, string>) => Promise<unknown>} act is given the fields' values, by name
 */
export function ask({ title, note = [], fields = [], action, danger = false }, act) {
  const heading = `dialog-${(asked += 1)}`;
  const complaint = element("p", { className: "problem-line", role: "alert" });
  const send = element("button", { className: danger ? "primary danger" : "primary" }, action);
  const form = element(
    "form",
    { autocomplete: "off" },
    element("h2", { id: heading }, title),
    note.length > 0 && element("p", {}, ...note),
    ...fields,
    complaint,
    element("div", { className: "buttons" }, element("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), send),
  );
  const dialog = element("dialog", { "aria-labelledby": heading }, form);
  let done = null;

  async function submit(event) {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    setBusy(true);
    try {
      done = await act(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (problem) {
      complaint.textContent = problem.message || problem.title;
    }
    setBusy(false);
  }

  function setBusy(busy) {
    form.setAttribute("aria-busy", String(busy));
    send.disabled = busy;
  }

  form.addEventListener("submit", submit);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(done);
    });
  });
}

/**
 * Tells what came of something; resolves when the reader has closed it.
 * @param {string} title
 * @param {string[]} sentences
 */
export function tell(title, sentences) {
  const heading = `dialog-${(asked += 1)}`;
  const close = element("button", { type: "button", className: "primary", onclick: () => dialog.close() }, "Close");
  const dialog = element("dialog", { "aria-labelledby": heading }, element("h2", { id: heading }, title), ...sentences.map((one) => element("p", {}, one)), element("div", { className: "buttons" }, close));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve();
    });
  });
}

/** A labelled field of a dialog. */
export const field = (label, input, hint) => element("label", {}, label, input, hint && element("span", { className: "quiet" }, hint));
