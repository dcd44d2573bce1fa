// The symbols of groups as paths of 12 x 12 pixels, for the legend; `gl.js` draws the same by their numbers.

export const SYMBOLS = [
  "M6 .5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11z",
  "M1.2 1.2h9.6v9.6H1.2z",
  "M6 .6 11.1 10.2H.9z",
  "M2.2.9 6 4.7 9.8.9l1.3 1.3L7.3 6l3.8 3.8-1.3 1.3L6 7.3l-3.8 3.8L.9 9.8 4.7 6 .9 2.2z",
  "M4.4.5h3.2v3.9h3.9v3.2H7.6v3.9H4.4V7.6H.5V4.4h3.9z",
  "M6 .6a5.4 5.4 0 1 0 0 10.8a5.4 5.4 0 1 0 0-10.8zm0 2.7a2.7 2.7 0 1 1 0 5.4a2.7 2.7 0 1 1 0-5.4z",
  "M6 11.4.9 1.8h10.2z",
  "M1 1h10v10H1zm2.2 2.2v5.6h5.6V3.2z",
  "M.8 1h10.4L6.7 6l4.5 5H.8l4.5-5z",
  "M1 .8v10.4L6 6.7l5 4.5V.8L6 5.3z",
];
export const DIAMOND = "M6 .2 11.8 6 6 11.8.2 6z";

/** @param {string} path @param {string} color @param {Element} parent */
export function drawSymbol(path, color, parent) {
  const shape = `<path d="${path}" fill="${color}" fill-rule="evenodd"/>`;
  parent.insertAdjacentHTML("beforeend", `<svg viewBox="0 0 12 12" aria-hidden="true">${shape}</svg>`);
}
