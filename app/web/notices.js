// What stands where results would: problems, and the reasons why there is nothing.

import { element } from "./dom.js";

/** A problem in words, with a way to try again. */
export function problemNotice(problem, retry) {
  return element(
    "div",
    { className: "notice problem", role: "alert" },
    element("h2", {}, problem.title ?? "This page met a fault of its own"),
    problem.message && problem.message !== problem.title && element("p", {}, problem.message),
    retry && element("button", { type: "button", onclick: retry }, "Try again"),
  );
}

/** Why there is nothing here, and what to do. */
export function emptyNotice(title, ...children) {
  return element("div", { className: "notice" }, element("h2", {}, title), ...children);
}

/** A command for a shell. */
export const command = (text) => element("pre", {}, element("code", {}, text));

/** The request that was made, for a shell. */
export function curlNotice(text) {
  return element("details", { className: "curl" }, element("summary", {}, "The same with curl"), command(text));
}
