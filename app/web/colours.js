// Colours of a heat map: mixed in Oklab, so that equal steps of a value look like equal steps,
// and a colour for the text on each that can be read (WCAG contrast of at least 4.5).

const LIGHT = { low: "#1d5fa6", zero: "#f4f6f8", high: "#a5186a" };
const DARK = { low: "#5aa2ee", zero: "#1c2530", high: "#f06db4" };

/** The three colours of the scheme in force. */
export const palette = () => (matchMedia("(prefers-color-scheme: dark)").matches ? DARK : LIGHT);

/**
 * A value's colour on a scale from -1 (low) over 0 to 1 (high), and the text colour for it.
 * @param {number} at
 */
export function cellColours(at, { low, zero, high } = palette()) {
  const end = linear(at < 0 ? low : high);
  const fill = mix(linear(zero), end, Math.min(1, Math.abs(at)));
  return { fill: css(fill), text: luminance(fill) > 0.179 ? "#000" : "#fff" };
}

/**
 * Where values lie on that scale. A measure with a sign has its zero in the middle; one without
 * runs from its least value to its largest. `bound` fixes the ends of a measure that has them.
 * @param {number[][]} rows
 */
export function scaleOf(rows, { signed, bound }) {
  const values = rows.flat();
  const largest = bound ?? values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  if (signed) return { low: -largest, high: largest, at: (v) => (largest ? v / largest : 0) };
  const least = bound ? 0 : values.reduce((low, v) => Math.min(low, v), Infinity);
  const span = largest - least;
  return { low: least, high: largest, at: (v) => (span ? (v - least) / span : 0) };
}

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
const linear = (hex) => channels(hex).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
const encoded = (c) => (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055);
const css = (rgb) => `rgb(${rgb.map((c) => Math.round(255 * encoded(Math.min(1, Math.max(0, c))))).join(" ")})`;
const luminance = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function mix(from, to, share) {
  const [a, b] = [oklab(from), oklab(to)];
  return unOklab(a.map((c, i) => c + (b[i] - c) * share));
}

// https://bottosson.github.io/posts/oklab/
function oklab([r, g, b]) {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function unOklab([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

/** A colour by lightness and chroma in Oklab and the angle of its hue, as [r, g, b] from 0 to 255. */
export function oklch(lightness, chroma, degrees) {
  const angle = degrees / 180 * Math.PI;
  const rgb = unOklab([lightness, chroma * Math.cos(angle), chroma * Math.sin(angle)]);
  return rgb.map((c) => Math.round(255 * encoded(Math.min(1, Math.max(0, c)))));
}
