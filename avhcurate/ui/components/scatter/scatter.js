// A scatter chart of any number of points: read once, drawn by WebGL, with what is on top in the page's own elements.

import { consume, LINKED, link, modified, mounted, partOf, placesIn, readJson } from "../shared.js";
import { createCamera } from "./camera.js";
import { createPainter, MOST_STEP, NOT_DRAWN } from "./gl.js";
import { createHover } from "./hover.js";
import { createLegend } from "./legend.js";
import { createOverlay } from "./overlay.js";
import { createPointer } from "./pointer.js";
import { Points } from "./points.js";

/** @import { Component, Ranges, Row } from "../events.js" */
/** @import { Scatter } from "../messages.js" */

const ROUGH_MS = 60; // a picture may take so long while much changes: of many points some are drawn first
const REST_MS = 400; // and all of them when nothing has changed for so long
const SETTLE_MS = 350; // a wheel turns in many small steps
const REACH_PX = 6; // a point is found so near to the pointer
const PAN_PX = 80; // of an arrow key
const KEY_ZOOM = 1.5;
const KEPT_FACTS = 500;
const LINK_MS = 40; // what the pointer passes over is not asked for
const NARROW_PX = 560; // below which the legend lies under the points
const [FEW, LARGEST_PX, SMALLEST_PX] = [3000, 7, 1.6]; // up to so many points are as large as they may be
const MOST = 65535; // of a coordinate
const NOWHERE = [0, 0, 0, 0]; // the colour of what is not drawn
const NO_WEBGL =
  "This browser has no WebGL 2, which the map needs. Turn on hardware acceleration or use another browser.";

export default mounted((parent) => new Chart(parent));

export class Chart {
  facts = /** @type {Map<number, Row>} */ (new Map()); // point -> its tile, the last asked for at the end
  data = /** @type {Scatter.Data} */ (/** @type {unknown} */ (null));
  component = /** @type {Component} */ (/** @type {unknown} */ (null));
  region = ""; // that the points are marked for
  /** @type {string | null} */
  adopted = null; // the window of the address that is shown, or was before the map was moved
  frame = 0;
  drawing = false;
  again = false;
  cost = 0; // milliseconds that a picture of all points takes
  exact = false; // the next picture has all points
  resting = 0;
  settling = 0; // the map was moved, and Python has yet to hear of it
  under = -1; // the point under the pointer
  /** @type {{ selected: string, ranges: Ranges }} */
  linked = { selected: "", ranges: [] }; // the points that are selected in the grid beside the chart
  linking = 0;
  turn = 0; // of the newest question where what is selected there lies
  /** @type {(event: WindowEventMap["avhcurate-linked"]) => void} */
  receiveLinked = ({ detail }) => this.follow(detail);

  /** @param {ShadowRoot} parent */
  constructor(parent) {
    this.root = partOf(parent, "scatter-chart");
    this.stage = this.part("stage");
    this.canvas = /** @type {HTMLCanvasElement} */ (this.root.querySelector(".points"));
    this.card = createHover(this.part("card"));
    this.camera = createCamera();
    this.overlay = createOverlay(this.part("over"), this.part("names"));
    this.legend = createLegend(this.part("legend"), () => {
      this.recolour();
      this.ask();
    });
    this.points = new Points(this);
    this.painter = /** @type {NonNullable<ReturnType<typeof createPainter>>} */ (
      createPainter(this.canvas, () => void (this.points.bytes && this.give()))
    );
    this.pointer = createPointer(this);
    this.stage.addEventListener("keydown", (event) => this.pressed(event));
    addEventListener(LINKED, this.receiveLinked);
    this.resize = new ResizeObserver(() => this.resized());
    this.resize.observe(this.stage);
  }

  /** @param {string} name */
  part(name) {
    return partOf(this.root, name);
  }

  // --- the points ----------------------------------------------------------------------------------

  /** @param {string} text */
  showMessage(text) {
    if (text) delete this.root.dataset.drawn;
    this.part("notice").textContent = text;
  }

  give() {
    this.painter.load(/** @type {ArrayBuffer} */ (this.points.bytes), this.data.count);
    this.recolour();
    this.region = "";
    this.mark();
    this.ask();
  }

  recolour() {
    const { data, legend } = this;
    const colors = data.colors.map((/** @type {number[]} */ color, /** @type {number} */ shade) =>
      legend.shows(shade, data) ? color : NOWHERE,
    );
    const none = legend.shows(NOT_DRAWN, data) ? data.none : NOWHERE;
    this.painter.paint([...colors, ...Array(NOT_DRAWN - colors.length).fill(NOWHERE), none], data.symbols);
  }

  // Marks what is selected beside the chart, or lies in the region, by the places that were sent: what is selected the
  // server finds by the exact ones.
  mark() {
    const { ranges } = this.linked;
    const wanted = JSON.stringify([this.data.region, ranges]);
    if (wanted === this.region || !this.points.places) return;
    this.region = wanted;
    const flags = ranges.length ? new Uint8Array(this.data.count) : (this.inRegion() ?? null);
    for (const [from, to] of ranges) flags?.fill(1, from, to);
    this.painter.mark(flags);
    this.root.dataset.inside = flags ? String(flags.reduce((sum, flag) => sum + flag, 0)) : "";
  }

  inRegion() {
    const { bounds, region } = this.data;
    const [left, right, low, high] = bounds;
    /** @param {number[]} values @param {number} from @param {number} to */
    const shares = (values, from, to) => values.map((value) => (MOST * (value - from)) / (to - from));
    return region && this.points.places?.inside(shares(region.x, left, right), shares(region.y, low, high));
  }

  // --- the grid beside the chart -------------------------------------------------------------------

  /** @param {WindowEventMap["avhcurate-linked"]["detail"]} detail */
  follow(detail) {
    if (detail.by !== "grid" || !this.data) return;
    clearTimeout(this.linking);
    this.linking = setTimeout(() => this.markLinked(detail), LINK_MS);
  }

  /** @param {{ view: string, ranges: Ranges, place: number | null }} grid */
  async markLinked({ view, ranges, place }) {
    const { rows } = this.data;
    const turn = ++this.turn;
    const selected = JSON.stringify([rows, view, ranges]);
    const known = selected === this.linked.selected;
    const linked = known ? this.linked : { selected, ranges: await placesIn(rows, view, ranges) };
    const [[point] = []] = place === null ? [] : await placesIn(rows, view, [[place, place + 1]]);
    if (turn !== this.turn || this.data?.rows !== rows || this.points.source !== this.data.source) return;
    this.linked = linked;
    this.overlay.point(point === undefined ? null : this.placeOf(point));
    this.mark();
    this.ask();
  }

  /** @param {number} point */
  placeOf(point) {
    const [x, y] = this.points.coordinates(point);
    const [left, right, low, high] = this.data.bounds;
    return { x: left + ((right - left) * x) / MOST, y: low + ((high - low) * y) / MOST };
  }

  // --- pictures ------------------------------------------------------------------------------------

  ask() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    if (!this.data) return;
    this.overlay.place(this.camera);
    this.root.dataset.view = this.camera.window().join();
    if (this.points.source !== this.data.source) return;
    if (this.drawing) this.again = true;
    else this.drawPoints();
  }

  // Of many points some are drawn first, and all of them once nothing has changed for a while.
  drawPoints() {
    const step = this.exact ? 1 : Math.min(MOST_STEP, Math.max(1, Math.ceil(this.cost / ROUGH_MS)));
    this.exact = false;
    clearTimeout(this.resting);
    if (step > 1) this.resting = setTimeout(() => this.drawAll(), REST_MS);
    const crowd = Math.max(1, this.data.count / this.camera.zoom() ** 2 / FEW);
    const size = Math.max(SMALLEST_PX, LARGEST_PX * crowd ** -0.23) * devicePixelRatio;
    const opacity = Math.max(0.3, 0.8 * crowd ** -0.17);
    const begun = performance.now();
    [this.drawing, this.again] = [true, false];
    delete this.root.dataset.drawn;
    this.painter.draw({ ...this.camera.projection(this.data.bounds), step, size, opacity });
    this.painter.whenDrawn(() => this.drawn(step, begun));
  }

  drawAll() {
    this.exact = true;
    this.ask();
  }

  /** @param {number} step @param {number} begun */
  drawn(step, begun) {
    this.drawing = false;
    if (step === 1) this.cost = performance.now() - begun;
    if (this.again) this.ask();
    else if (step === 1 && this.data) this.root.dataset.drawn = "1";
  }

  // Moves the camera; Python hears of the window when it rests.
  /** @param {() => void} change */
  move(change) {
    change();
    this.under = -1;
    this.ask();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.settling = 0;
      this.component.setTriggerValue("window", this.camera.window());
    }, SETTLE_MS);
  }

  resized() {
    const { root, stage, data, canvas } = this;
    if (data) root.classList.toggle("below", data.below || root.clientWidth < NARROW_PX);
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (!width || !height) return;
    [canvas.width, canvas.height] = [width, height].map((pixels) => Math.round(pixels * devicePixelRatio));
    this.camera.resize(width, height);
    this.ask();
  }

  // --- the card ------------------------------------------------------------------------------------

  /** @param {number} left @param {number} top */
  pointAt(left, top) {
    const { places, shades } = this.points;
    if (!places) return -1;
    const [x, y] = this.camera.toPlane(left, top);
    const [west, east, low, high] = this.data.bounds;
    const [across, up] = [MOST / (east - west), MOST / (high - low)];
    const reach = REACH_PX * this.camera.unit();
    const counts = (/** @type {number} */ point) => this.legend.shows(shades[point], this.data);
    return places.nearest([(x - west) * across, (y - low) * up], [reach * across, reach * up], counts);
  }

  // The tile of a point; null for none, or if it cannot be had.
  /** @param {number} point */
  async factsOf(point) {
    if (point < 0) return null;
    const { facts } = this;
    if (facts.has(point)) return facts.get(point);
    const tile = (await readJson(`${this.data.rows}/rows?start=${point}&stop=${point + 1}`))?.tiles[0];
    if (!tile) return null;
    facts.set(point, tile);
    if (facts.size > KEPT_FACTS) facts.delete([...facts.keys()][0]);
    return tile;
  }

  /** @param {number} left @param {number} top @param {PointerEvent} event */
  async over(left, top, event) {
    const { marks, score } = this.data;
    const weight = this.overlay.markAt(left, top, this.camera);
    const point = weight < 0 ? this.pointAt(left, top) : -1;
    this.stage.classList.toggle("onto", point >= 0);
    this.under = point;
    if (weight >= 0) return this.card.show([marks.names[weight], marks.what, ""], { id: "", source: "" }, event);
    if (point < 0) return this.away();
    const tile = await this.factsOf(point);
    if (!tile || this.under !== point) return;
    const line = tile.differs ? `image ${tile.id}, ${tile.sub}` : `image ${tile.id}`;
    this.card.show([tile.title, line, `${score} ${tile.score}`], { id: tile.id, source: tile.src }, event);
  }

  away() {
    this.under = -1;
    this.stage.classList.remove("onto");
    this.card.hide();
  }

  // --- what Python hears ---------------------------------------------------------------------------

  /** @param {[number, number][]} corners @param {boolean} box */
  sendRegion(corners, box) {
    const plane = corners.map((corner) => this.camera.toPlane(...corner));
    const [x, y] = [0, 1].map((side) => plane.map((corner) => corner[side]));
    const ends = (/** @type {number[]} */ values) => [Math.min(...values), Math.max(...values)];
    this.component.setTriggerValue("region", box ? { box: [{ x: ends(x), y: ends(y) }] } : { lasso: [{ x, y }] });
  }

  /** @param {number} left @param {number} top */
  async clicked(left, top) {
    const { linked, rows } = this.data;
    const point = this.pointAt(left, top);
    if (linked && point >= 0) return link({ by: "chart", view: rows.split("/").at(-1), place: point });
    const tile = await this.factsOf(point);
    if (tile) this.component.setTriggerValue("clicked", tile.id);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const { camera, stage, data } = this;
    /** @type {Record<string, [number, number]>} */
    const pan = { ArrowLeft: [PAN_PX, 0], ArrowRight: [-PAN_PX, 0], ArrowUp: [0, PAN_PX], ArrowDown: [0, -PAN_PX] };
    /** @type {Record<string, number>} */
    const zoom = { "+": KEY_ZOOM, "=": KEY_ZOOM, "-": 1 / KEY_ZOOM };
    const { key } = event;
    if (modified(event)) return;
    if (key === "Enter")
      this.sendRegion(
        [
          [0, 0],
          [stage.clientWidth, stage.clientHeight],
        ],
        true,
      );
    else if (key === "Escape") this.pointer.cancel();
    else if (key in pan) this.steer(() => camera.panBy(...pan[key]));
    else if (key in zoom) this.steer(() => camera.zoomBy(zoom[key]));
    else if (key === "0") this.steer(() => camera.show(data.whole, data.whole));
    else return;
    consume(event);
  }

  /** @param {() => void} change */
  steer(change) {
    this.away();
    this.move(change);
  }

  // --- what Python says ------------------------------------------------------------------------

  // The address's window, unless it is the one that was told to it.
  adopt() {
    const { camera, data, adopted } = this;
    const [wanted, sent] = [data.window ?? data.whole, camera.window()];
    const key = JSON.stringify(wanted);
    if (key === adopted || this.settling) return; // a move that the server does not know yet stands
    this.adopted = key;
    const slack = 1e-5 * Math.max(...wanted.map(Math.abs), 1e-9);
    const other = wanted.some(
      (/** @type {number} */ end, /** @type {number} */ side) => Math.abs(end - sent[side]) > slack,
    );
    if (adopted === null || other) camera.show(wanted, data.whole);
  }

  /** @param {Scatter.Data} next @param {Component} component */
  update(next, component) {
    if (!this.painter) return this.showMessage(NO_WEBGL);
    if (this.data?.rows !== next.rows) this.facts = new Map(); // an answer about the rows of before comes into theirs
    [this.data, this.component] = [next, component];
    this.stage.setAttribute("aria-label", next.label);
    this.stage.dataset.tool = next.tool;
    this.canvas.textContent = next.label;
    [this.part("across").textContent, this.part("up").textContent] = next.axes;
    this.legend.update(next);
    this.overlay.update(next);
    this.pointer.rest();
    this.resized();
    this.adopt();
    this.points.want(next.source, next.count);
    if (this.points.source === next.source) {
      this.recolour();
      this.mark();
    }
    this.ask();
  }

  destroy() {
    this.resize.disconnect();
    removeEventListener(LINKED, this.receiveLinked);
    this.points.stop();
    for (const timer of [this.linking, this.settling, this.resting]) clearTimeout(timer);
    cancelAnimationFrame(this.frame);
    this.card.destroy();
    this.painter?.destroy();
    this.data = /** @type {Scatter.Data} */ (/** @type {unknown} */ (null));
  }
}
