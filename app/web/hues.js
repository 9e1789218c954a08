// Colours of points on a map: hues for categories, a ramp for numbers, in the scheme in force.

import { oklch } from "./colours.js";

const GOLDEN_DEGREES = 137.508; // no two of the first many lie near each other on the circle
const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

/** The colour of what has no category, [r, g, b] from 0 to 255. */
export const grey = () => (dark() ? oklch(0.55, 0.012, 250) : oklch(0.7, 0.012, 250));

/** The colour of a category by its place. */
export function hue(place) {
  const step = [0, 0.09, -0.08][place % 3];
  return oklch((dark() ? 0.74 : 0.58) + step, 0.14, 25 + place * GOLDEN_DEGREES);
}

/** The colour of a number by where it is from 0 to 1 on its scale. */
export const ramp = (at) => (dark() ? oklch(0.42 + 0.46 * at, 0.13, 285 - 190 * at) : oklch(0.84 - 0.5 * at, 0.13, 95 + 190 * at));

/** A colour as CSS has it. */
export const css = (rgb) => `rgb(${rgb.join(" ")})`;
