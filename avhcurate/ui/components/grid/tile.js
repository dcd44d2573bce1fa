// One tile of the image grid: its nodes, and how a row is drawn into them.

import { draw } from "../carrier.js";
import { element } from "../shared.js";

/** @import { Row } from "../events.js" */
/** @import { Grid } from "../messages.js" */

// A text, apart from the next one also where it is read.
/** @param {string} look @param {HTMLElement} parent */
function words(look, parent) {
  const made = element("span", look, parent);
  parent.append(" ");
  return made;
}

export function createTile() {
  const root = element("div", { className: "tile", role: "gridcell", tabIndex: -1 });
  const frame = element("div", "frame", root);
  const image = element("img", { decoding: "async", draggable: false }, frame);
  image.onload = () => frame.classList.remove("broken");
  image.onerror = () => frame.classList.add("broken");
  element("span", { className: "check", ariaHidden: "true" }, frame);
  const badges = words("badges", frame);
  const meter = element("div", "meter", root);
  const caption = element("div", "caption", root);
  const top = element("div", "line", caption);
  const names = words("names", top);
  const [title, arrow] = ["title", "arrow"].map((name) => element("span", name, names));
  const score = words("score", top);
  const bottom = element("div", "line second", caption);
  const sub = words("sub", bottom);
  const note = words("note", bottom);
  const parts = { root, frame, image, badges, meter, caption, top, bottom, names, title, arrow, score, sub, note };
  return { ...parts, src: "", data: /** @type {Row | null | undefined} */ (undefined), place: -1 };
}

/** @type {Omit<Grid.Tile, "id">} */
export const EMPTY = {
  src: "",
  title: "",
  predicted: "",
  score: "",
  percentile: null,
  sub: "",
  note: "",
  badges: [],
  alt: "",
  muted: false,
  differs: false,
};

// Draws a row, or an empty tile while it is not known; without pictures where they pass too fast to be seen.
/** @typedef {ReturnType<typeof createTile>} Tile */

/** @param {Tile} tile @param {Row | null | undefined} row @param {boolean} pictures */
export function drawTile(tile, row, pictures) {
  const data = { ...EMPTY, ...row };
  if (pictures || tile.data !== row) drawPicture(tile, pictures ? data.src : "");
  if (tile.data === row) return;
  tile.data = row;
  if (row) tile.root.dataset.id = String(row.id);
  else delete tile.root.dataset.id;
  tile.image.alt = tile.root.title = data.alt;
  tile.root.classList.toggle("waiting", !row);
  tile.root.classList.toggle("muted", data.muted);
  tile.root.classList.toggle("differs", data.differs);
  drawWords(tile, data);
  tile.badges.replaceChildren();
  for (const text of data.badges) words("badge", tile.badges).textContent = text;
  const lines = [tile.badges, tile.top, tile.bottom].map((line) => line.textContent?.trim());
  tile.root.ariaLabel = [lines.filter(Boolean).join(" "), data.alt].filter(Boolean).join(", ") || "loading";
}

// The label, and the prediction where that is another; a score as the share of images below it, its number on hover.
/** @param {Tile} tile @param {typeof EMPTY} data */
function drawWords(tile, data) {
  const measured = data.percentile !== null;
  tile.meter.classList.toggle("none", !measured);
  if (measured) tile.meter.style.setProperty("--share", `${data.percentile}%`);
  tile.title.textContent = data.title;
  tile.arrow.textContent = data.predicted && data.predicted !== data.title ? ` → ${data.predicted}` : "";
  tile.names.title = tile.title.textContent + tile.arrow.textContent;
  const score = measured ? "" : data.score;
  const below = hasSecond(data);
  tile.score.textContent = below ? score : score || data.note;
  tile.sub.textContent = tile.sub.title = data.sub;
  tile.note.textContent = below ? data.note : "";
}

// Whether a row has words for a second line.
/** @param {Partial<typeof EMPTY>} row */
export const hasSecond = (row) => Boolean(row.sub || (row.percentile === null && row.score && row.note));

/** @param {Tile} tile @param {string} src */
export function drawPicture(tile, src) {
  if (tile.src === src) return;
  tile.src = src;
  tile.frame.classList.remove("broken");
  draw(tile.image, src);
}
