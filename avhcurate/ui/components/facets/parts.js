// The parts of a facet: its header, bars or rows as buttons, the ends of a range, a search.

import { element, images } from "../shared.js";
import { isOn, short } from "./state.js";

/** @import { Facets } from "../messages.js" */

const FIND_MS = 350;

/** @typedef {Facets.Panel} Panel */
/** @typedef {Facets.Bar} Bar */
/** @typedef {(act: Omit<Facets.FacetEvent, "key">) => void} Send */

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

// `send(act)` says what the facet is to be.
/** @param {Panel} panel @param {Send} send */
export function drawFacet(panel, send) {
  const section = element("section", { className: `facet ${panel.shape}`, role: "group", ariaLabel: panel.title });
  section.dataset.key = panel.key;
  section.append(drawHeader(panel, send), panel.shape === "rows" ? drawRows(panel, send) : drawBars(panel, send));
  if (panel.shape === "range") section.append(drawEnds(panel, send));
  if (panel.more || panel.find) section.append(drawSearch(panel, send));
  return section;
}

/** @param {Panel} panel @param {Send} send */
function drawHeader(panel, send) {
  const top = element("header");
  element("h3", { textContent: panel.title, title: panel.help }, top);
  element("span", "readout", top);
  const chosen = panel.chosen.some((end) => end !== null);
  if (panel.removable || (chosen && panel.shape === "range")) {
    const title = panel.removable ? `Remove ${panel.title}` : `Any ${panel.title}`;
    const remove = element("button", { className: "remove", textContent: "×", title, ariaLabel: title }, top);
    remove.dataset.at = "remove";
    remove.onclick = () => send(panel.removable ? { kind: "remove" } : { kind: "range", low: null, high: null });
  }
  return top;
}

/** @param {Panel} panel @param {number} place @param {string} className @param {HTMLElement} parent */
function drawButton(panel, place, className, parent) {
  const bar = panel.bars[place];
  const of = bar.samples > bar.matching ? `${count(bar.matching)} of ` : "";
  const all = Math.max(bar.samples, bar.matching);
  const [ariaPressed, ariaLabel] = [String(isOn(panel, bar)), `${bar.text}: ${of}${images(all)}`];
  const made = element("button", { className, ariaPressed, ariaLabel, tabIndex: -1 }, parent);
  made.dataset.at = String(place);
  const most = Math.max(1, ...panel.bars.map((one) => Math.max(one.samples, one.matching)));
  made.style.setProperty("--all", String(bar.samples / most));
  made.style.setProperty("--matching", String(bar.matching / most));
  made.classList.toggle("none", !bar.matching);
  for (const event of ["pointerenter", "focus"])
    made.addEventListener(event, () => readout(made, `${bar.text} · ${of}${count(all)}`));
  for (const event of ["pointerleave", "blur"]) made.addEventListener(event, () => readout(made, ""));
  return made;
}

// The values without one that was chosen, or with one that was not.
/** @param {Panel} panel @param {Bar["value"]} value */
function toggled({ chosen }, value) {
  const others = chosen.filter((one) => one !== value);
  return others.length < chosen.length ? others : [...chosen, value];
}

/** @param {Panel} panel @param {Send} send */
function drawRows(panel, send) {
  const list = element("div", "list");
  panel.bars.forEach((bar, place) => {
    const row = drawButton(panel, place, "row", list);
    drawWords(row, bar.text, count(bar.matching));
    row.onclick = () => send({ kind: "values", values: toggled(panel, bar.value) });
  });
  const more = () => list.classList.toggle("more", list.scrollTop + list.clientHeight < list.scrollHeight - 2);
  list.onscroll = more;
  requestAnimationFrame(more);
  return steerable(list, panel, send);
}

/** @param {HTMLElement} button @param {string} name @param {string} number */
function drawWords(button, name, number) {
  element("span", { className: "name", textContent: name }, button);
  button.append(" "); // also between the words that are read
  element("span", { className: "count", textContent: number }, button);
}

/** @param {Panel} panel @param {Send} send */
function drawBars(panel, send) {
  const chart = element("div", "chart");
  panel.bars.forEach((bar, place) => {
    const column = drawButton(panel, place, "bar", chart);
    for (const part of ["all", "matching"]) element("span", part, column);
    if (panel.shape === "columns") {
      drawWords(column, bar.text, compact(bar.matching));
      column.onclick = () => send({ kind: "values", values: toggled(panel, bar.value) });
    } else {
      column.onpointerdown = (event) => event.button === 0 && dragBars(panel, send, place, event);
      // A press of a key comes as a click without a pointer; a mouse has been heard already.
      column.onclick = (event) => event.detail === 0 && chooseBars(panel, send, place, place);
    }
  });
  return steerable(chart, panel, send);
}

/** @param {Panel} panel @param {Send} send */
function drawEnds(panel, send) {
  const line = element("div", "ends");
  const shown = shortEnds(panel.ends ?? [0, 0]);
  ["low", "high"].forEach((name, side) => {
    const ariaLabel = `${panel.title} ${["from", "to"][side]}`;
    const input = element("input", { type: "number", step: "any", placeholder: shown[side], ariaLabel }, line);
    if (panel.chosen[side] !== null) input.value = short(panel.chosen[side]);
    input.dataset.at = name;
    input.onchange = () => {
      const range = [...panel.chosen];
      range[side] = input.value === "" ? null : Number(input.value);
      if (range[0] !== null && range[1] !== null && range[0] > range[1]) range[1 - side] = null;
      send({ kind: "range", low: range[0], high: range[1] });
    };
  });
  return line;
}

/** @param {Panel} panel @param {Send} send */
function drawSearch(panel, send) {
  const input = element("input", {
    className: "find",
    type: "search",
    value: panel.find,
    placeholder: panel.more ? `Find among ${count(panel.more)} more` : "Find",
    ariaLabel: `Find in ${panel.title}`,
  });
  let finding = 0;
  input.dataset.at = "find";
  input.oninput = () => {
    clearTimeout(finding);
    finding = setTimeout(() => send({ kind: "find", find: input.value }), FIND_MS);
  };
  return input;
}

// --- choosing bars of a range ----------------------------------------------------------------------

// The range of the bars between two places; the only one that is chosen, chosen again, is given up.
/** @param {Panel} panel @param {Send} send @param {number} from @param {number} to */
function chooseBars(panel, send, from, to) {
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  const on = panel.bars.flatMap((bar, place) => (isOn(panel, bar) ? [place] : []));
  if (first === last && on.length === 1 && on[0] === first) send({ kind: "range", low: null, high: null });
  else send({ kind: "range", low: panel.bars[first].low, high: panel.bars[last].high });
}

/** @param {Element} chart @param {number} first @param {number} last */
function markBars(chart, first, last) {
  [...chart.children].forEach((bar, place) => {
    bar.setAttribute("aria-pressed", String(place >= Math.min(first, last) && place <= Math.max(first, last)));
  });
}

// Follows a press over the bars until it ends.
/** @param {Panel} panel @param {Send} send @param {number} from @param {PointerEvent} event */
function dragBars(panel, send, from, event) {
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
    if (counts) chooseBars(panel, send, from, to);
  };
  chart.onpointerup = () => end(true);
  chart.onpointercancel = () => end(false);
}

// One stop of the Tab key for a whole facet: arrows move among its buttons, with Shift they choose a range.
/** @param {HTMLElement} list @param {Panel} panel @param {Send} send */
function steerable(list, panel, send) {
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
      send,
      from,
      buttons.findIndex((one) => one.tabIndex === 0),
    );
  });
  return list;
}
