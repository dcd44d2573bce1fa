// The parts of a facet: its header, bars or rows as buttons, the ends of a range, a search.

import { isOn, short } from "./state.js";

/** @import { Facets } from "../messages.js" */

const FIND_MS = 350;

/**
 * @typedef {Facets.Panel} Panel
 * @typedef {Facets.Bar} Bar
 * @typedef {{
 *   choose: (panel: Panel, values: any[]) => void, remove: (panel: Panel) => void,
 *   range: (panel: Panel, low: number | null, high: number | null) => void,
 *   find: (panel: Panel, text: string) => void, drag: (panel: Panel, place: number, event: PointerEvent) => void,
 * }} Does
 */

/** @template {keyof HTMLElementTagNameMap} Tag @param {Tag} tag @param {string} [className] @param {string} [text] */
function worded(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** @param {number} number */
const count = (number) => number.toLocaleString("en-US");
// For narrow columns: 1.8M of 1,790,699.
/** @param {number} number */
const compact = (number) =>
  number < 1e6 ? count(number) : number.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 });

// The two ends of a range with equally many digits behind the point.
/** @param {[number, number]} ends */
function shortEnds([low, high]) {
  const digits = Math.max(...[low, high].map((end) => short(end).split(".")[1]?.length ?? 0));
  return [low, high].map((end) => (short(end).includes("e") ? short(end) : Number(end).toFixed(Math.min(digits, 6))));
}

/** @param {Element} inside @param {string} text */
function readout(inside, text) {
  const place = inside.closest(".facet")?.querySelector(".readout");
  if (place) place.textContent = text;
}

// `does` says what an act on a facet does: `choose(panel, values)`, `range(panel, low, high)`, `remove(panel)`,
// `find(panel, text)`, and `drag(panel, place, event)` begins one over bars.
/** @param {Panel} panel @param {Does} does */
export function drawFacet(panel, does) {
  const section = worded("section", `facet ${panel.shape}`);
  section.dataset.key = panel.key;
  section.setAttribute("role", "group");
  section.setAttribute("aria-label", panel.title);
  section.append(drawHeader(panel, does), panel.shape === "rows" ? drawRows(panel, does) : drawBars(panel, does));
  if (panel.shape === "range") section.append(drawEnds(panel, does));
  if (panel.more || panel.find) section.append(drawSearch(panel, does));
  return section;
}

/** @param {Panel} panel @param {Does} does */
function drawHeader(panel, does) {
  const top = worded("header");
  const title = worded("h3", "", panel.title);
  if (panel.help) title.title = panel.help;
  top.append(title, worded("span", "readout"));
  const chosen = panel.chosen.some((end) => end !== null);
  if (panel.removable || (chosen && panel.shape === "range")) {
    const remove = worded("button", "remove", "×");
    remove.ariaLabel = remove.title = panel.removable ? `Remove ${panel.title}` : `Any ${panel.title}`;
    remove.dataset.at = "remove";
    remove.onclick = () => (panel.removable ? does.remove(panel) : does.range(panel, null, null));
    top.append(remove);
  }
  return top;
}

/** @param {Panel} panel @param {Bar} bar @param {number} place @param {string} className */
function drawButton(panel, bar, place, className) {
  const all = bar.samples > bar.matching ? ` of ${count(bar.samples)}` : "";
  const says = `${count(bar.matching)}${all}`;
  const made = worded("button", className);
  made.setAttribute("aria-pressed", String(isOn(panel, bar)));
  made.setAttribute("aria-label", `${bar.text}: ${says} images`);
  made.dataset.at = String(place);
  made.tabIndex = -1;
  const most = Math.max(1, ...panel.bars.map((one) => Math.max(one.samples, one.matching)));
  made.style.setProperty("--all", String(bar.samples / most));
  made.style.setProperty("--matching", String(bar.matching / most));
  made.classList.toggle("none", !bar.matching);
  for (const event of ["pointerenter", "focus"])
    made.addEventListener(event, () => readout(made, `${bar.text} · ${says}`));
  for (const event of ["pointerleave", "blur"]) made.addEventListener(event, () => readout(made, ""));
  return made;
}

// The values without one that was chosen, or with one that was not.
/** @param {Panel} panel @param {Bar["value"]} value */
function toggled({ chosen }, value) {
  const others = chosen.filter((one) => one !== value);
  return others.length < chosen.length ? others : [...chosen, value];
}

/** @param {Panel} panel @param {Does} does */
function drawRows(panel, does) {
  const list = worded("div", "list");
  panel.bars.forEach((bar, place) => {
    const row = drawButton(panel, bar, place, "row");
    row.append(worded("span", "name", bar.text), worded("span", "count", count(bar.matching)));
    row.onclick = () => does.choose(panel, toggled(panel, bar.value));
    list.append(row);
  });
  const more = () => list.classList.toggle("more", list.scrollTop + list.clientHeight < list.scrollHeight - 2);
  list.onscroll = more;
  requestAnimationFrame(more);
  return steerable(list, panel, does);
}

/** @param {Panel} panel @param {Does} does */
function drawBars(panel, does) {
  const chart = worded("div", "chart");
  panel.bars.forEach((bar, place) => {
    const column = drawButton(panel, bar, place, "bar");
    column.append(worded("span", "all"), worded("span", "matching"));
    if (panel.shape === "columns") {
      column.append(worded("span", "name", bar.text), worded("span", "count", compact(bar.matching)));
      column.onclick = () => does.choose(panel, toggled(panel, bar.value));
    } else {
      column.onpointerdown = (event) => event.button === 0 && does.drag(panel, place, event);
      // A press of a key comes as a click without a pointer; a mouse has been heard already.
      column.onclick = (event) => event.detail === 0 && chooseBars(panel, does, place, place);
    }
    chart.append(column);
  });
  return steerable(chart, panel, does);
}

/** @param {Panel} panel @param {Does} does */
function drawEnds(panel, does) {
  const line = worded("div", "ends");
  const shown = shortEnds(panel.ends ?? [0, 0]);
  ["low", "high"].forEach((name, side) => {
    const input = worded("input");
    input.type = "number";
    input.step = "any";
    input.placeholder = shown[side];
    if (panel.chosen[side] !== null) input.value = short(panel.chosen[side]);
    input.setAttribute("aria-label", `${panel.title} ${["from", "to"][side]}`);
    input.dataset.at = name;
    input.onchange = () => {
      const range = [...panel.chosen];
      range[side] = input.value === "" ? null : Number(input.value);
      if (range[0] !== null && range[1] !== null && range[0] > range[1]) range[1 - side] = null;
      does.range(panel, range[0], range[1]);
    };
    line.append(input);
  });
  return line;
}

/** @param {Panel} panel @param {Does} does */
function drawSearch(panel, does) {
  const input = worded("input", "find");
  let finding = 0;
  input.type = "search";
  input.value = panel.find;
  input.placeholder = panel.more ? `Find among ${count(panel.more)} more` : "Find";
  input.setAttribute("aria-label", `Find in ${panel.title}`);
  input.dataset.at = "find";
  input.oninput = () => {
    clearTimeout(finding);
    finding = setTimeout(() => does.find(panel, input.value), FIND_MS);
  };
  return input;
}

// --- choosing bars of a range ----------------------------------------------------------------------

// The range of the bars between two places; the only one that is chosen, chosen again, is given up.
/** @param {Panel} panel @param {Pick<Does, "range">} does @param {number} from @param {number} to */
function chooseBars(panel, does, from, to) {
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  const on = panel.bars.flatMap((bar, place) => (isOn(panel, bar) ? [place] : []));
  if (first === last && on.length === 1 && on[0] === first) does.range(panel, null, null);
  else does.range(panel, panel.bars[first].low, panel.bars[last].high);
}

/** @param {Element} chart @param {number} first @param {number} last */
function markBars(chart, first, last) {
  [...chart.children].forEach((bar, place) => {
    bar.setAttribute("aria-pressed", String(place >= Math.min(first, last) && place <= Math.max(first, last)));
  });
}

// Follows a press over the bars until it ends.
/** @param {Panel} panel @param {Does} does @param {number} from @param {PointerEvent} event */
export function dragBars(panel, does, from, event) {
  const chart = /** @type {HTMLElement} */ (/** @type {Element} */ (event.currentTarget).parentElement);
  let to = from;
  chart.setPointerCapture(event.pointerId);
  chart.onpointermove = (/** @type {PointerEvent} */ move) => {
    const { left, width } = chart.getBoundingClientRect();
    const at = Math.floor(((move.clientX - left) / width) * panel.bars.length);
    to = Math.max(0, Math.min(panel.bars.length - 1, at));
    markBars(chart, from, to);
    const [first, last] = [Math.min(from, to), Math.max(from, to)].map((place) => panel.bars[place].text.split("–"));
    readout(chart, `${first[0]}–${last.at(-1)}`);
  };
  const end = (/** @type {boolean} */ counts) => {
    chart.onpointermove = chart.onpointerup = chart.onpointercancel = null;
    if (counts) chooseBars(panel, does, from, to);
  };
  chart.onpointerup = () => end(true);
  chart.onpointercancel = () => end(false);
}

// One stop of the Tab key for a whole facet: arrows move among its buttons, with Shift they choose a range.
/** @param {HTMLElement} list @param {Panel} panel @param {Does} does */
function steerable(list, panel, does) {
  const buttons = /** @type {HTMLElement[]} */ ([...list.children]);
  const home = Math.max(
    0,
    panel.bars.findIndex((bar) => isOn(panel, bar)),
  );
  if (buttons[home]) buttons[home].tabIndex = 0;
  list.addEventListener("keydown", (event) => {
    const place = buttons.findIndex((one) => one.contains(/** @type {Node} */ (event.target)));
    /** @type {Record<string, number>} */
    const steps = {
      ArrowRight: 1,
      ArrowDown: 1,
      ArrowLeft: -1,
      ArrowUp: -1,
      Home: -place,
      End: buttons.length - 1 - place,
    };
    const step = steps[event.key];
    if (step === undefined || place < 0) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(buttons.length - 1, place + step));
    buttons[place].tabIndex = -1;
    buttons[next].tabIndex = 0;
    buttons[next].focus();
    if (event.shiftKey && panel.shape === "range") {
      list.dataset.from ??= String(place);
      markBars(list, Number(list.dataset.from), next);
    }
  });
  list.addEventListener("keyup", (event) => {
    if (event.key !== "Shift" || list.dataset.from === undefined) return;
    const from = Number(list.dataset.from);
    delete list.dataset.from;
    chooseBars(
      panel,
      does,
      from,
      buttons.findIndex((one) => one.tabIndex === 0),
    );
  });
  return list;
}
