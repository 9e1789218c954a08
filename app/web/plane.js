// Points on a plane that is moved and magnified: drawn by WebGL, by a 2-D canvas where there is none.

import { isWithin, lassoIn } from "./lasso.js";

const GREATEST = 400; // times the size at which all is seen
const LEAST = 0.5;
const MARGIN = 0.94;
const FADED = 0.16;
const REACH = 14; // pixels around a pointer in which a point is meant
const STEP = 90; // pixels that an arrow moves by
const ZOOM = 1.5; // times that a key or button magnifies by
const REST_MS = 160; // without a move, after which all points are drawn
const FRAME_MS = 25; // between frames of a move; where drawing takes longer, fewer points are drawn meanwhile
const FEWEST = 4_000; // points of a frame, however slow
const AT_FIRST = 60_000; // points of the first frame of the first move

const VERTICES = `
attribute vec2 place; attribute vec4 colour; uniform vec2 centre; uniform vec2 factor; uniform float size; varying vec4 shade;
void main() { gl_Position = vec4((place - centre) * factor, 0.0, 1.0); gl_PointSize = size; shade = colour; }`;
const FRAGMENTS = `
precision mediump float; varying vec4 shade; uniform float opacity;
void main() {
  float alpha = smoothstep(0.5, 0.38, length(gl_PointCoord - 0.5)) * shade.a * opacity;
  gl_FragColor = vec4(shade.rgb * alpha, alpha);
}`;

/**
 * A plane of points in an element, which it fills.
 * @param {HTMLElement} host
 * @param {{onPoint: (index: number | null) => void, onOpen: (index: number) => void, onMove: () => void, onLasso: (indices: number[]) => void}} tell
 */
export function planeIn(host, { onPoint, onOpen, onMove, onLasso }) {
  const canvas = document.createElement("canvas");
  const ring = document.createElement("span"); // around what is pointed at, so that nothing is drawn anew for it
  ring.className = "map-ring";
  ring.hidden = true;
  host.prepend(canvas, ring);
  const painter = webglPainter(canvas) ?? flatPainter(canvas);
  host.dataset.renderer = painter.name;
  const camera = { x: 0, y: 0, scale: 1 };
  let points = { xy: new Float32Array(0), count: 0, colours: new Uint8Array(0) };
  let lit = null;
  let pointed = null;
  let cells = null;
  let drawing = 0;
  let rest = 0; // the timer of what is moving
  let drawn = -Infinity; // when the last frame of a move was
  let most = AT_FIRST; // points of a frame of a move: the first of all, which are a fair sample
  let whole = true;
  let bounds = { x: 0, y: 0, across: 2, down: 2 }; // of the points
  let ink = inkOf(host);

  const width = () => canvas.clientWidth || 1;
  const height = () => canvas.clientHeight || 1;
  const fitting = () => Math.min(width() / bounds.across, height() / bounds.down) * MARGIN;

  /** Where a place is seen, in pixels of the element. */
  const seenAt = (x, y) => [(x - camera.x) * camera.scale + width() / 2, height() / 2 - (y - camera.y) * camera.scale];
  const placeAt = (left, top) => [(left - width() / 2) / camera.scale + camera.x, (height() / 2 - top) / camera.scale + camera.y];

  /** The diameter of a point, in pixels. */
  const sizeOf = () => Math.min(12, Math.max(1.7, 5 * (1_000 / Math.max(points.count, 300)) ** 0.25 * (camera.scale / fitting()) ** 0.35));

  /** Draws with the next frame, once however often it is asked for. */
  function draw() {
    drawing ||= requestAnimationFrame(drawNow);
  }

  /** How many points the next frame has: all at rest, in a move as many as can be drawn in time. */
  function allowed() {
    if (!rest || points.count <= FEWEST) return points.count;
    const took = performance.now() - drawn;
    if (took < 8 * REST_MS) most = Math.min(points.count, Math.max(FEWEST, Math.round(most * Math.min(1.3, Math.max(0.4, FRAME_MS / took)))));
    drawn = performance.now();
    return Math.min(points.count, most);
  }

  function drawNow() {
    drawing = 0;
    const count = allowed();
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [across, down] = [Math.round(width() * ratio), Math.round(height() * ratio)];
    if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
    const size = sizeOf();
    painter.draw({ camera, width: width(), height: height(), ratio, size, count, lit, points, ink });
    Object.assign(host.dataset, { x: camera.x, y: camera.y, scale: camera.scale, drawn: count });
    placeRing(size);
    onMove();
  }

  function moveTo(x, y, scale) {
    const fit = fitting();
    camera.scale = Math.min(GREATEST * fit, Math.max(LEAST * fit, scale));
    [camera.x, camera.y] = [x, y].map((at) => Math.min(1, Math.max(-1, at)));
    whole = false;
    if (!rest) drawn = -Infinity; // the time before it is of no frame
    clearTimeout(rest);
    rest = setTimeout(() => ((rest = 0), draw()), REST_MS);
    draw();
  }

  function placeRing(size) {
    ring.hidden = pointed === null;
    if (pointed === null) return;
    const [left, top] = seenAt(points.xy[2 * pointed], points.xy[2 * pointed + 1]);
    ring.style.setProperty("--size", `${size + 8}px`);
    ring.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** Magnifies so that what is at a pixel stays there. */
  function zoomAt(left, top, times) {
    const [x, y] = placeAt(left, top);
    const scale = Math.min(GREATEST * fitting(), Math.max(LEAST * fitting(), camera.scale * times));
    moveTo(x - (left - width() / 2) / scale, y - (height() / 2 - top) / scale, scale);
  }

  function showAll() {
    moveTo(bounds.x, bounds.y, fitting());
    whole = true;
  }

  function point(index) {
    if (index === pointed) return;
    pointed = index;
    placeRing(sizeOf());
    onPoint(index);
  }

  /** The point nearest to a pixel, null if none is within reach. */
  function nearestTo(left, top, reach = REACH) {
    return cells?.nearest(...placeAt(left, top), reach / camera.scale) ?? null;
  }

  const lasso = lassoIn(host, (outline) => onLasso(within(outline)));

  /** The points within an outline of pixels. */
  function within(outline) {
    const found = [];
    const corners = outline.map(([left, top]) => placeAt(left, top));
    for (let i = 0; i < points.count; i++) if (isWithin(points.xy[2 * i], points.xy[2 * i + 1], corners)) found.push(i);
    return found;
  }

  listen(host, { lasso, camera, zoomAt, moveTo, showAll, nearestTo, point, onOpen, pointed: () => pointed, middle: () => [width() / 2, height() / 2] });
  new ResizeObserver(() => (whole ? showAll() : draw())).observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    ink = inkOf(host);
    draw();
  });

  return {
    /** Shows other points: places (2n), colours (4n bytes). */
    setPoints(xy, colours) {
      points = { xy, colours, count: xy.length / 2 };
      cells = cellsOf(xy);
      bounds = boundsOf(xy);
      pointed = lit = null;
      painter.load(points);
      if (whole) showAll();
      else draw();
    },
    setColours(colours) {
      points = { ...points, colours };
      painter.load(points);
      draw();
    },
    /** Lights up some points and fades the others; null shows all alike. */
    light(indices) {
      lit = indices;
      host.dataset.lit = String(indices?.length ?? "");
      draw();
    },
    /** Whether dragging draws a lasso instead of moving the plane. */
    lasso: (on) => lasso.turn(on),
    showAll,
    zoom: (times) => zoomAt(width() / 2, height() / 2, times),
    goTo: (x, y, times) => moveTo(x, y, times * fitting()),
    seenAt,
    /** Calls with the pixel of each point that is seen. */
    forEachSeen(act) {
      const [across, down] = [width(), height()];
      for (let i = 0; i < points.count; i++) {
        const [left, top] = [(points.xy[2 * i] - camera.x) * camera.scale + across / 2, down / 2 - (points.xy[2 * i + 1] - camera.y) * camera.scale];
        if (left >= 0 && top >= 0 && left < across && top < down) act(left, top, i);
      }
    },
    /** What is seen: the middle, and how many times it is magnified; null where all is. */
    seen: () => (whole ? null : [camera.x, camera.y, camera.scale / fitting()]),
    size: () => [width(), height()],
    ZOOM,
  };
}

/** The middle and the size of what the points take up. */
function boundsOf(xy) {
  let [left, right, low, high] = [1, -1, 1, -1];
  for (let i = 0; i < xy.length; i += 2) {
    left = Math.min(left, xy[i]);
    right = Math.max(right, xy[i]);
    low = Math.min(low, xy[i + 1]);
    high = Math.max(high, xy[i + 1]);
  }
  if (left > right) return { x: 0, y: 0, across: 2, down: 2 };
  const least = 0.02; // of points that lie in one place
  return { x: (left + right) / 2, y: (low + high) / 2, across: Math.max(least, right - left), down: Math.max(least, high - low) };
}

const inkOf = (host) => {
  const [ink, paper, accent] = ["--ink", "--sheet", "--rose"].map((name) => getComputedStyle(host).getPropertyValue(name).trim());
  return { ink: bytes(ink), paper: bytes(paper), accent: bytes(accent) };
};
const bytes = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) || 0);

/** Pointer, wheel and keys. */
function listen(host, { lasso, camera, zoomAt, moveTo, showAll, nearestTo, point, onOpen, pointed, middle }) {
  const held = new Map();
  let travelled = 0;
  const inside = ({ clientX, clientY }) => {
    const box = host.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  };

  host.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    zoomAt(...inside(event), Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)));
  }, { passive: false });

  host.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("button, a")) return;
    host.setPointerCapture(event.pointerId);
    if (!held.size && (event.shiftKey || lasso.isOn())) return lasso.begin(inside(event));
    held.set(event.pointerId, inside(event));
    if (held.size === 1) travelled = 0;
  });

  host.addEventListener("pointermove", (event) => {
    const now = inside(event);
    if (lasso.isDrawing()) return lasso.go(now);
    const before = held.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") point(event.target.closest("button, a") ? null : nearestTo(...now)); // not what lies under a button
      return;
    }
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (held.size === 1 && travelled > 3) moveTo(camera.x - (now[0] - before[0]) / camera.scale, camera.y + (now[1] - before[1]) / camera.scale, camera.scale);
    if (held.size === 2) pinch(before, now, [...held].find(([id]) => id !== event.pointerId)[1]);
    held.set(event.pointerId, now);
  });

  function pinch(before, now, other) {
    const spread = ([x, y]) => Math.max(1, Math.hypot(x - other[0], y - other[1]));
    const middleOf = ([x, y]) => [(x + other[0]) / 2, (y + other[1]) / 2];
    const [from, to] = [middleOf(before), middleOf(now)];
    moveTo(camera.x - (to[0] - from[0]) / camera.scale, camera.y + (to[1] - from[1]) / camera.scale, camera.scale);
    zoomAt(...to, spread(now) / spread(before));
  }

  const release = (event) => {
    if (lasso.isDrawing()) return lasso.end();
    const tapped = held.delete(event.pointerId) && !held.size && travelled <= 3 && event.type === "pointerup";
    if (!tapped) return;
    const meant = nearestTo(...inside(event), event.pointerType === "touch" ? 2 * REACH : REACH);
    if (meant === null) return point(null);
    if (event.pointerType === "touch" && meant !== pointed()) return point(meant); // first says what it is
    onOpen(meant);
  };
  host.addEventListener("pointerup", release);
  host.addEventListener("pointercancel", release);
  host.addEventListener("pointerleave", () => held.size || point(null));

  const pointMiddle = () => point(nearestTo(...middle(), 4 * REACH));
  host.addEventListener("focus", () => host.matches(":focus-visible") && pointMiddle());
  host.addEventListener("keydown", (event) => {
    if (event.target !== host || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEP / camera.scale;
    const act = {
      ArrowLeft: () => moveTo(camera.x - step, camera.y, camera.scale),
      ArrowRight: () => moveTo(camera.x + step, camera.y, camera.scale),
      ArrowUp: () => moveTo(camera.x, camera.y + step, camera.scale),
      ArrowDown: () => moveTo(camera.x, camera.y - step, camera.scale),
      "+": () => zoomAt(...middle(), ZOOM),
      "=": () => zoomAt(...middle(), ZOOM),
      "-": () => zoomAt(...middle(), 1 / ZOOM),
      0: showAll,
      Home: showAll,
      Enter: () => pointed() !== null && onOpen(pointed()),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
    if (event.key !== "Enter") pointMiddle();
  });
}

/** Points in the cells of a grid, so that the nearest to a place is found among few. */
function cellsOf(xy) {
  const count = xy.length / 2;
  const side = Math.min(1_024, Math.max(1, Math.ceil(Math.sqrt(count / 2))));
  const cellAlong = (at) => Math.min(side - 1, Math.max(0, Math.floor(((at + 1) / 2) * side)));
  const starts = new Uint32Array(side * side + 1);
  const cellOf = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    cellOf[i] = cellAlong(xy[2 * i + 1]) * side + cellAlong(xy[2 * i]);
    starts[cellOf[i] + 1]++;
  }
  for (let cell = 0; cell < side * side; cell++) starts[cell + 1] += starts[cell];
  const next = starts.slice(0, -1);
  const members = new Uint32Array(count);
  for (let i = 0; i < count; i++) members[next[cellOf[i]]++] = i;

  return {
    nearest(x, y, reach) {
      let best = null;
      let least = reach * reach;
      for (let row = cellAlong(y - reach); row <= cellAlong(y + reach); row++) {
        const [first, last] = [row * side + cellAlong(x - reach), row * side + cellAlong(x + reach)];
        for (let at = starts[first]; at < starts[last + 1]; at++) {
          const square = (xy[2 * members[at]] - x) ** 2 + (xy[2 * members[at] + 1] - y) ** 2;
          if (square < least) [least, best] = [square, members[at]];
        }
      }
      return best;
    },
  };
}

/** A painter by WebGL; null where that is not to be had. */
function webglPainter(canvas) {
  const gl = canvas.getContext("webgl", { antialias: false, premultipliedAlpha: true });
  if (!gl) return null;
  let scene = sceneOf(gl);
  let kept = null;
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    scene = sceneOf(gl);
    if (kept) load(kept);
  });

  function load(points) {
    kept = points;
    gl.bindBuffer(gl.ARRAY_BUFFER, scene.places);
    gl.bufferData(gl.ARRAY_BUFFER, points.xy, gl.STATIC_DRAW);
    gl.bindBuffer(gl.ARRAY_BUFFER, scene.colours);
    gl.bufferData(gl.ARRAY_BUFFER, points.colours, gl.STATIC_DRAW);
  }

  function draw({ camera, width, height, ratio, size, count, lit, points, ink }) {
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(scene.centre, camera.x, camera.y);
    gl.uniform2f(scene.factor, (2 * camera.scale) / width, (2 * camera.scale) / height);
    const pass = (diameter, opacity, indices, colour) => {
      gl.uniform1f(scene.size, diameter * ratio);
      gl.uniform1f(scene.opacity, opacity);
      bind(indices ? some(points.xy, indices) : scene.places, indices && scene.few, scene.place, 2, gl.FLOAT);
      if (colour) {
        gl.disableVertexAttribArray(scene.colour);
        gl.vertexAttrib4f(scene.colour, ...colour.map((c) => c / 255), 1);
      } else bind(scene.colours, null, scene.colour, 4, gl.UNSIGNED_BYTE);
      gl.drawArrays(gl.POINTS, 0, indices ? indices.length : count);
    };
    pass(size, lit ? FADED : 0.85, null, null);
    if (lit?.length) {
      pass(Math.max(9, size + 5), 1, lit, ink.paper);
      pass(Math.max(7, size + 3), 1, lit, ink.accent);
    }
  }

  function bind(data, into, attribute, components, type) {
    gl.bindBuffer(gl.ARRAY_BUFFER, into ?? data);
    if (into) gl.bufferData(gl.ARRAY_BUFFER, data, gl.STREAM_DRAW);
    gl.enableVertexAttribArray(attribute);
    gl.vertexAttribPointer(attribute, components, type, type === gl.UNSIGNED_BYTE, 0, 0);
  }

  return { name: "webgl", load, draw };
}

const some = (xy, indices) => Float32Array.from({ length: 2 * indices.length }, (_, i) => xy[2 * indices[i >> 1] + (i & 1)]);

function sceneOf(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTICES], [gl.FRAGMENT_SHADER, FRAGMENTS]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const uniforms = ["centre", "factor", "size", "opacity"].map((name) => [name, gl.getUniformLocation(program, name)]);
  const attributes = ["place", "colour"].map((name) => [name, gl.getAttribLocation(program, name)]);
  return { ...Object.fromEntries([...uniforms, ...attributes]), places: gl.createBuffer(), colours: gl.createBuffer(), few: gl.createBuffer() };
}

/** A painter on a 2-D canvas: squares, colour by colour. */
function flatPainter(canvas) {
  const context = canvas.getContext("2d");
  let groups = new Map();

  function load({ colours, count }) {
    groups = new Map();
    for (let i = 0; i < count; i++) {
      const key = (colours[4 * i] << 16) | (colours[4 * i + 1] << 8) | colours[4 * i + 2];
      (groups.get(key) ?? groups.set(key, []).get(key)).push(i);
    }
  }

  function draw({ camera, width, height, ratio, size, count, lit, points: { xy }, ink }) {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const square = (i, side) => {
      const left = (xy[2 * i] - camera.x) * camera.scale + width / 2;
      const top = height / 2 - (xy[2 * i + 1] - camera.y) * camera.scale;
      if (left > -side && top > -side && left < width + side && top < height + side) context.fillRect(left - side / 2, top - side / 2, side, side);
    };
    context.globalAlpha = lit ? FADED : 0.85;
    for (const [key, members] of groups) {
      context.fillStyle = `rgb(${key >> 16} ${(key >> 8) & 255} ${key & 255})`;
      for (const i of members) {
        if (i >= count) break;
        square(i, size * 0.9);
      }
    }
    context.globalAlpha = 1;
    const disc = (i, diameter, colour) => {
      context.fillStyle = `rgb(${colour.join(" ")})`;
      context.beginPath();
      context.arc((xy[2 * i] - camera.x) * camera.scale + width / 2, height / 2 - (xy[2 * i + 1] - camera.y) * camera.scale, diameter / 2, 0, 7);
      context.fill();
    };
    for (const i of lit ?? []) {
      disc(i, Math.max(9, size + 5), ink.paper);
      disc(i, Math.max(7, size + 3), ink.accent);
    }
  }

  return { name: "2d", load, draw };
}
