// A scatter chart of any number of points: read once, drawn by WebGL, with what is on top in the page's own elements.

import { LINKED, link, mounted, placesIn } from "../shared.js";
import { createCamera } from "./camera.js";
import { MOST_STEP, NOT_DRAWN, createPainter } from "./gl.js";
import { createHover } from "./hover.js";
import { createLegend } from "./legend.js";
import { createOverlay } from "./overlay.js";
import { createPlaces } from "./places.js";
import { createPointer } from "./pointer.js";

const ROUGH_MS = 60; // a picture may take so long while much changes: of many points some are drawn first
const REST_MS = 400; // and all of them when nothing has changed for so long
const SETTLE_MS = 350; // a wheel turns in many small steps
const REACH_PX = 6; // a point is found so near to the pointer
const PAN_PX = 80; // of an arrow key
const KEY_ZOOM = 1.5;
const KEPT_FACTS = 500;
const LINK_MS = 40; // what the pointer passes over is not asked for
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 16000;
const NARROW_PX = 560; // below which the legend lies under the points
const [FEW, LARGEST_PX, SMALLEST_PX] = [3000, 7, 1.6]; // up to so many points are as large as they may be

export default mounted(createScatter);

function createScatter(parent) {
  const part = (name) => parent.querySelector(`.${name}`);
  const [root, stage, canvas, notice] = ["scatter-chart", "stage", "points", "notice"].map(part);
  const card = createHover(part("card"));
  const camera = createCamera();
  const overlay = createOverlay(part("over"), part("names"));
  const legend = createLegend(part("legend"), () => (recolour(), ask()));
  const painter = createPainter(canvas, () => bytes && (give(), ask()));
  const pointer = createPointer(stage, {
    tool: () => data?.tool, drawing: overlay.draft, drawn: tellRegion, away, over, clicked,
    dragged: (across, down) => (camera.panBy(across, down), moved()),
    turned: (factor, left, top) => (camera.zoomBy(factor, left, top), moved()),
  });
  const facts = new Map(); // point -> its tile, the last asked for at the end
  let data = null;
  let send = null;
  let bytes = null;
  let shades = null;
  let places = null;
  let loaded = ""; // the address that the points came from
  let asked = ""; // the one that was asked last
  let request = null;
  let retry = { pause: FIRST_RETRY_MS, timer: null };
  let region = ""; // that the points are marked for
  let adopted = null; // the window of the address that is shown, or was before the map was moved
  let frame = 0;
  let drawing = false;
  let again = false;
  let cost = 0; // milliseconds that a picture of all points takes
  let exact = false; // the next picture has all points
  let resting = null;
  let settling = null;
  let under = -1; // the point under the pointer
  let linked = { selected: "", ranges: [] }; // the points that are selected in the grid beside the chart
  let linking = null;

  // --- the points ----------------------------------------------------------------------------------

  async function load() {
    const source = (asked = data.source);
    request?.abort();
    clearTimeout(retry.timer);
    request = new AbortController();
    delete root.dataset.drawn;
    notice.textContent = `Reading ${data.count.toLocaleString("en-US")} points …`;
    try {
      const answer = await fetch(source, { signal: request.signal });
      if (!answer.ok) throw Object.assign(new Error(`HTTP ${answer.status}`), { lost: [401, 404].includes(answer.status) });
      const body = await answer.arrayBuffer();
      if (source !== data.source) return;
      if (body.byteLength !== 5 * data.count) throw new Error("a part of the points is missing");
      [bytes, loaded, request, retry.pause] = [body, source, null, FIRST_RETRY_MS];
      shades = new Uint8Array(bytes, 4 * data.count);
      places = createPlaces(new Uint16Array(bytes, 0, 2 * data.count));
      notice.textContent = "";
      give();
      ask();
      link({});
    } catch (error) {
      if (error.name === "AbortError") return;
      request = null;
      notice.textContent = `The points could not be read (${error.message}): trying again …`;
      retry.timer = setTimeout(() => (error.lost ? send.setTriggerValue("lost", source) : load()), retry.pause);
      retry.pause = Math.min(LONGEST_RETRY_MS, 2 * retry.pause);
    }
  }

  function give() {
    painter.load(bytes, data.count);
    recolour();
    region = "";
    mark();
  }

  function recolour() {
    const colors = data.colors.map((color, shade) => (legend.shows(shade, data) ? color : [0, 0, 0, 0]));
    const none = legend.shows(NOT_DRAWN, data) ? data.none : [0, 0, 0, 0];
    painter.paint([...colors, ...Array(NOT_DRAWN - colors.length).fill([0, 0, 0, 0]), none], data.symbols);
  }

  // Marks what lies in the region, by the places that were sent: what is selected the server finds by the exact ones.
  function mark() {
    const wanted = JSON.stringify([data.region, linked.ranges]);
    if (wanted === region || !places) return;
    region = wanted;
    const [left, right, low, high] = data.bounds;
    const share = (value, from, to) => (65535 * (value - from)) / (to - from);
    let flags = data.region && places.inside(
      data.region.x.map((x) => share(x, left, right)), data.region.y.map((y) => share(y, low, high)),
    );
    if (linked.ranges.length) flags = new Uint8Array(data.count);
    for (const [from, to] of linked.ranges) flags.fill(1, from, to);
    painter.mark(flags);
    root.dataset.inside = flags ? flags.reduce((sum, flag) => sum + flag, 0) : "";
  }

  // --- the grid beside the chart -------------------------------------------------------------------

  function hearLinked({ detail }) {
    if (detail.by !== "grid" || !data) return;
    clearTimeout(linking);
    linking = setTimeout(() => markLinked(detail), LINK_MS);
  }
  addEventListener(LINKED, hearLinked);

  async function markLinked({ view, ranges, place }) {
    const { rows } = data;
    const selected = JSON.stringify([rows, view, ranges]);
    if (selected !== linked.selected) linked = { selected, ranges: await placesIn(rows, view, ranges) };
    const [[point] = []] = place === null ? [] : await placesIn(rows, view, [[place, place + 1]]);
    if (data?.rows !== rows || loaded !== data.source) return;
    overlay.point(point === undefined ? null : placeOf(point));
    mark();
    ask();
  }

  function placeOf(point) {
    const [x, y] = new Uint16Array(bytes, 4 * point, 2);
    const [left, right, low, high] = data.bounds;
    return { x: left + ((right - left) * x) / 65535, y: low + ((high - low) * y) / 65535 };
  }

  // --- pictures ------------------------------------------------------------------------------------

  function ask() {
    frame ||= requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    if (!data) return;
    overlay.place(camera);
    root.dataset.view = camera.window().join();
    if (loaded !== data.source) return;
    if (drawing) return void (again = true);
    const step = exact ? 1 : Math.min(MOST_STEP, Math.max(1, Math.ceil(cost / ROUGH_MS)));
    exact = false;
    clearTimeout(resting);
    if (step > 1) resting = setTimeout(() => ((exact = true), ask()), REST_MS);
    const crowd = Math.max(1, data.count / camera.zoom() ** 2 / FEW);
    const size = Math.max(SMALLEST_PX, LARGEST_PX * crowd ** -0.23);
    const begun = performance.now();
    [drawing, again] = [true, false];
    delete root.dataset.drawn;
    painter.draw({
      ...camera.projection(data.bounds), step, size: size * devicePixelRatio,
      opacity: Math.max(0.3, 0.8 * crowd ** -0.17),
    });
    painter.whenDrawn(() => {
      drawing = false;
      if (step === 1) cost = performance.now() - begun;
      if (again) ask();
      else if (step === 1 && data) root.dataset.drawn = "1";
    });
  }

  function moved() {
    under = -1;
    ask();
    clearTimeout(settling);
    settling = setTimeout(() => {
      settling = null;
      send.setTriggerValue("window", camera.window());
    }, SETTLE_MS);
  }

  function arrange() {
    root.classList.toggle("below", data.below || root.clientWidth < NARROW_PX);
  }

  function resized() {
    if (data) arrange();
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (!width || !height) return;
    [canvas.width, canvas.height] = [width, height].map((pixels) => Math.round(pixels * devicePixelRatio));
    camera.resize(width, height);
    ask();
  }

  // --- the card ------------------------------------------------------------------------------------

  function pointAt(left, top) {
    if (!places) return -1;
    const [x, y] = camera.toPlane(left, top);
    const [west, east, low, high] = data.bounds;
    const [across, up] = [65535 / (east - west), 65535 / (high - low)];
    const reach = REACH_PX * camera.unit();
    const at = [(x - west) * across, (y - low) * up];
    return places.nearest(at, [reach * across, reach * up], (point) => legend.shows(shades[point], data));
  }

  async function factsOf(point) {
    if (facts.has(point)) return facts.get(point);
    const answer = await fetch(`${data.rows}/rows?start=${point}&stop=${point + 1}`);
    if (!answer.ok) return null;
    const [tile] = (await answer.json()).tiles;
    facts.set(point, tile);
    if (facts.size > KEPT_FACTS) facts.delete(facts.keys().next().value);
    return tile;
  }

  async function over(left, top, event) {
    const weight = overlay.markAt(left, top, camera);
    const point = weight < 0 ? pointAt(left, top) : -1;
    stage.classList.toggle("onto", point >= 0);
    if (weight >= 0) {
      under = -1;
      return card.show([data.marks.names[weight], data.marks.what, ""], { source: "" }, event);
    }
    if (point < 0) return away();
    under = point;
    const tile = await factsOf(point).catch(() => null);
    if (!tile || under !== point) return;
    const words = [tile.title, `image ${tile.id}${tile.differs ? `, ${tile.sub}` : ""}`, `${data.score} ${tile.score}`];
    card.show(words, { id: tile.id, source: tile.src }, event);
  }

  function away() {
    under = -1;
    stage.classList.remove("onto");
    card.hide();
  }

  // --- what Python hears ---------------------------------------------------------------------------

  function tellRegion(corners, box = data.tool === "select") {
    const plane = corners.map((corner) => camera.toPlane(...corner));
    const [x, y] = [0, 1].map((side) => plane.map((corner) => corner[side]));
    const ends = (values) => [Math.min(...values), Math.max(...values)];
    send.setTriggerValue("region", box ? { box: [{ x: ends(x), y: ends(y) }] } : { lasso: [{ x, y }] });
  }

  async function clicked(left, top) {
    const point = pointAt(left, top);
    if (data.linked && point >= 0) return link({ by: "chart", view: data.rows.split("/").at(-1), place: point });
    const tile = point < 0 ? null : await factsOf(point).catch(() => null);
    if (tile) send.setTriggerValue("clicked", tile.id);
  }

  const KEYS = {
    ArrowLeft: () => camera.panBy(PAN_PX, 0), ArrowRight: () => camera.panBy(-PAN_PX, 0),
    ArrowUp: () => camera.panBy(0, PAN_PX), ArrowDown: () => camera.panBy(0, -PAN_PX),
    "+": () => camera.zoomBy(KEY_ZOOM), "=": () => camera.zoomBy(KEY_ZOOM), "-": () => camera.zoomBy(1 / KEY_ZOOM),
    0: () => camera.show(data.whole, data.whole),
  };

  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (event.key === "Enter") tellRegion([[0, 0], [width, height]], true);
    else if (event.key === "Escape") pointer.cancel();
    else if (KEYS[event.key]) {
      KEYS[event.key]();
      away();
      moved();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const watching = new ResizeObserver(resized);
  watching.observe(stage);

  // The address's window, unless it is the one that was told to it.
  function adopt() {
    const [wanted, told] = [data.window ?? data.whole, camera.window()];
    const key = JSON.stringify(wanted);
    if (key === adopted || settling !== null) return; // a move that the server does not know yet stands
    const first = adopted === null;
    adopted = key;
    const slack = 1e-5 * Math.max(...wanted.map(Math.abs), 1e-9);
    if (first || wanted.some((end, side) => Math.abs(end - told[side]) > slack)) camera.show(wanted, data.whole);
  }

  return {
    update(next, component) {
      if (!painter) return void (notice.textContent = "This browser has no WebGL 2, which the map needs. Turn on hardware acceleration or use another browser.");
      if (data?.rows !== next.rows) facts.clear();
      [data, send] = [next, component];
      arrange();
      stage.setAttribute("aria-label", data.label);
      stage.dataset.tool = data.tool;
      canvas.textContent = data.label;
      [part("across").textContent, part("up").textContent] = data.axes;
      legend.update(data);
      overlay.update(data);
      pointer.rest();
      resized();
      adopt();
      if (loaded !== data.source) {
        if (!request || asked !== data.source) load();
      } else {
        recolour();
        mark();
      }
      ask();
    },
    destroy() {
      watching.disconnect();
      removeEventListener(LINKED, hearLinked);
      request?.abort();
      [linking, settling, resting, retry.timer].forEach(clearTimeout);
      cancelAnimationFrame(frame);
      card.destroy();
      painter?.destroy();
      data = null;
    },
  };
}
