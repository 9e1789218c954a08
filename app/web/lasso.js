// A line drawn around points: where it goes is shown, and what it encloses is told.

import { drawing } from "./dom.js";

const APART = 4; // pixels between corners
const FEWEST = 3; // corners that enclose something

/**
 * A lasso over an element.
 * @param {HTMLElement} host
 * @param {(outline: [number, number][]) => void} drawn is given the corners, in pixels of the element
 */
export function lassoIn(host, drawn) {
  const line = drawing("polygon");
  const sheet = drawing("svg", { class: "lasso", "aria-hidden": "true" }, line);
  let corners = null;
  let on = false;
  host.append(sheet);

  const show = () => line.setAttribute("points", (corners ?? []).map((corner) => corner.join(",")).join(" "));

  return {
    isOn: () => on,
    isDrawing: () => corners !== null,
    turn(wanted) {
      on = wanted;
      host.classList.toggle("lassoing", on);
    },
    begin(place) {
      corners = [place];
      show();
    },
    go(place) {
      const [left, top] = corners.at(-1);
      if (Math.hypot(place[0] - left, place[1] - top) >= APART) corners.push(place);
      show();
    },
    end() {
      const outline = corners;
      corners = null;
      show();
      if (outline.length >= FEWEST) drawn(outline);
    },
  };
}

/** Whether a place lies within a polygon: an odd number of its edges are to the right. */
export function isWithin(x, y, corners) {
  let inside = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [[ax, ay], [bx, by]] = [corners[i], corners[j]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
