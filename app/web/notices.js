// What stands where results would: problems, and the reasons why there is nothing.

import { changeKey, hasKey } from "./api.js";
import { element } from "./dom.js";

/** A problem in words, with a way to try again, or to do so with another key where this one may not. */
export function problemNotice(problem, retry) {
  return element(
    "div",
    { className: "notice problem", role: "alert" },
    element("h2", {}, problem.title ?? "This page met a fault of its own"),
    problem.message && problem.message !== problem.title && element("p", {}, problem.message),
    problem.status === 403 && hasKey() ? keyButton() : retry && element("button", { type: "button", onclick: retry }, "Try again"),
  );
}

/** What the reader's key may not do; nothing was asked of the service. */
export function rightsNotice(what, { name, role }, needed) {
  return element(
    "div",
    { className: "notice" },
    element("h2", {}, `This key may not ${what}`),
    element("p", {}, `The key ${name} may ${role}; this needs one that may ${needed}.`),
    keyButton(),
  );
}

/** Lets the reader give another key; the page then begins anew with it. */
export const keyButton = () => element("button", { type: "button", className: "change-key", onclick: async () => (await changeKey()) && location.reload() }, "Use another key");

/** Why there is nothing here, and what to do. */
export function emptyNotice(title, ...children) {
  return element("div", { className: "notice" }, element("h2", {}, title), ...children);
}

/** A command for a shell; it can be scrolled by keys where it is wide. */
export const command = (text) => element("pre", { tabIndex: 0 }, element("code", {}, text));

/** The request that was made, for a shell. */
export function curlNotice(text) {
  return element("details", { className: "curl" }, element("summary", {}, "The same with curl"), command(text));
}
