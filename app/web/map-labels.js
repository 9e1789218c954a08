// Labels of clusters on the map: beside the points, never on them, each led to its cluster by a line.

import { drawing, element } from "./dom.js";

const CELL = 8; // pixels of the grid in which points are counted
const RINGS = [10, 20, 32, 46, 62, 80, 100];
const ANGLES = 16;
const GAP = 3; // pixels around a label in which there is no other
const STILL_MS = 140; // without a move, after which labels find their places anew
const SHORTEST_LINE = 16; // pixels from a label's middle; below that a line says nothing

/**
 * Labels in an element that lies over the plane.
 * @param {HTMLElement} host
 */
export function clusterLabels(host) {
  const lines = drawing("svg", { class: "map-leaders" });
  host.replaceChildren(lines);
  let labels = []; // each with its place on the plane, its size, and where it stands from there
  let timer = 0;

  /** Other clusters, the largest first. */
  function set(clusters) {
    const named = clusters.filter(({ documents, words }) => documents && words.length).sort((a, b) => b.documents - a.documents);
    labels = named.map(({ x, y, words }) => ({ x, y, offset: null, text: element("span", {}, words.slice(0, 2).join(", ")), line: drawing("line") }));
    lines.replaceChildren(...labels.map(({ line }) => line));
    host.replaceChildren(lines, ...labels.map(({ text }) => text));
    for (const label of labels) label.size = [label.text.offsetWidth, label.text.offsetHeight];
  }

  /** Moves with the plane at once, and finds better places once it rests. */
  function follow(plane) {
    show(plane);
    clearTimeout(timer);
    timer = setTimeout(() => place(plane), STILL_MS);
  }

  function place(plane) {
    const [width, height] = plane.size();
    const isFree = freeIn(plane, width, height);
    const taken = [...host.parentElement.querySelectorAll(".map-zoom")].map(boxOf);
    for (const label of labels) {
      const [left, top] = plane.seenAt(label.x, label.y);
      const seen = left > 0 && top > 0 && left < width && top < height;
      const box = seen && candidates(left, top, label.size).find((one) => isFree(one) && !taken.some((other) => overlap(one, other)));
      label.offset = box ? [box[0] - left, box[1] - top] : null;
      if (box) taken.push(box);
    }
    show(plane);
  }

  function show(plane) {
    const [width, height] = plane.size();
    lines.setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const { x, y, offset, size, text, line } of labels) {
      text.classList.toggle("hidden", !offset);
      line.classList.toggle("hidden", !offset);
      if (!offset) continue;
      const [left, top] = plane.seenAt(x, y);
      const [at, over] = [left + offset[0], top + offset[1]];
      text.style.transform = `translate(${Math.round(at)}px, ${Math.round(over)}px)`;
      lead(line, [left, top], [at, over], size);
    }
  }

  return { set, follow };
}

/** A line from a cluster's middle to the nearest edge of its label. */
function lead(line, [left, top], [at, over], [width, height]) {
  const [x, y] = [Math.min(at + width, Math.max(at, left)), Math.min(over + height, Math.max(over, top))];
  const near = Math.hypot(x - left, y - top) < SHORTEST_LINE;
  for (const [name, value] of Object.entries({ x1: left, y1: top, x2: near ? left : x, y2: near ? top : y })) line.setAttribute(name, value.toFixed(1));
}

/** Boxes beside a place, the nearest first, those above and to the sides before those below. */
function candidates(left, top, [width, height]) {
  const boxes = [];
  for (const ring of RINGS) {
    for (let i = 0; i < ANGLES; i++) {
      const angle = (2 * Math.PI * i) / ANGLES - Math.PI / 2;
      const [x, y] = [left + Math.cos(angle) * (ring + width / 2), top + Math.sin(angle) * (ring + height / 2)];
      boxes.push([x - width / 2, y - height / 2, x + width / 2, y + height / 2]);
    }
  }
  return boxes;
}

const boxOf = ({ offsetLeft: left, offsetTop: top, offsetWidth: width, offsetHeight: height }) => [left, top, left + width, top + height];

const overlap = (one, other) => one[0] - GAP < other[2] && one[2] + GAP > other[0] && one[1] - GAP < other[3] && one[3] + GAP > other[1];

/** Whether a box is within the plane and has no point in it, by sums over a grid of cells. */
function freeIn(plane, width, height) {
  const [across, down] = [Math.ceil(width / CELL), Math.ceil(height / CELL)];
  const sums = new Uint32Array((across + 1) * (down + 1));
  plane.forEachSeen((left, top) => {
    sums[(Math.floor(top / CELL) + 1) * (across + 1) + Math.floor(left / CELL) + 1] += 1;
  });
  for (let row = 1; row <= down; row++) {
    for (let column = 1; column <= across; column++) {
      const at = row * (across + 1) + column;
      sums[at] += sums[at - 1] + sums[at - across - 1] - sums[at - across - 2];
    }
  }
  return ([left, top, right, bottom]) => {
    if (left < GAP || top < GAP || right > width - GAP || bottom > height - GAP) return false;
    const [first, last] = [Math.floor(left / CELL), Math.min(across, Math.ceil(right / CELL))];
    const [upper, lower] = [Math.floor(top / CELL), Math.min(down, Math.ceil(bottom / CELL))];
    const at = (row, column) => sums[row * (across + 1) + column];
    return at(lower, last) - at(upper, last) - at(lower, first) + at(upper, first) === 0;
  };
}
