// Which part of the plane a chart shows: the same scale on both axes, in whatever shape the stage has.

const MOST_ENLARGED = 4096; // times the whole

/** @typedef {[left: number, right: number, low: number, high: number]} Window */

export function createCamera() {
  let [width, height] = [1, 1]; // pixels of the stage
  let centre = [0, 0];
  let unit = 1; // of the axes, a pixel
  /** @type {Window} */
  let wanted = [0, 1, 0, 1]; // the window (left, right, low, high) that is seen whole, in whatever shape
  let everything = wanted;

  /** @param {Window} window */
  const unitOf = ([left, right, low, high]) => Math.max((right - left) / width, (high - low) / height) || 1;

  /** @param {Window} window @param {Window} all */
  function show(window, all) {
    [wanted, everything] = [window, all];
    unit = unitOf(window);
    centre = [(window[0] + window[1]) / 2, (window[2] + window[3]) / 2];
  }

  /** @returns {Window} */
  function seen() {
    const [across, up] = [(unit * width) / 2, (unit * height) / 2];
    return [centre[0] - across, centre[0] + across, centre[1] - up, centre[1] + up];
  }

  return {
    /** @param {number} across @param {number} down */
    resize(across, down) {
      [width, height] = [across, down];
      show(wanted, everything);
    },
    show,
    window: seen,
    zoom: () => Math.max(1, unitOf(everything) / unit),
    unit: () => unit,
    /** @type {(x: number, y: number) => [number, number]} */
    toScreen: (x, y) => [(x - centre[0]) / unit + width / 2, height / 2 - (y - centre[1]) / unit],
    /** @type {(left: number, top: number) => [number, number]} */
    toPlane: (left, top) => [centre[0] + (left - width / 2) * unit, centre[1] + (height / 2 - top) * unit],
    /** @param {number} across @param {number} down */
    panBy(across, down) {
      centre = [centre[0] - across * unit, centre[1] + down * unit];
      wanted = seen();
    },
    // Enlarges by a factor; the place at these pixels stays where it is.
    /** @param {number} factor */
    zoomBy(factor, left = width / 2, top = height / 2) {
      const whole = unitOf(everything);
      const after = Math.min(4 * whole, Math.max(whole / MOST_ENLARGED, unit / factor));
      const [x, y] = [left - width / 2, height / 2 - top].map((pixels) => pixels * (unit - after));
      centre = [centre[0] + x, centre[1] + y];
      unit = after;
      wanted = seen();
    },
    // From shares of the bounds to WebGL's own units, as factors and summands.
    /** @param {Window} bounds */
    projection([left, right, low, high]) {
      const [x, y] = [2 / (unit * width), 2 / (unit * height)];
      return { scale: [(right - left) * x, (high - low) * y], shift: [(left - centre[0]) * x, (low - centre[1]) * y] };
    },
  };
}
