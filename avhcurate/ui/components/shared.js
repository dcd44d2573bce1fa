// What every component's script begins with: making nodes, and being mounted.

import { read } from "./carrier.js";

/** @import { Component, Ranges } from "./events.js" */

/** @template {keyof HTMLElementTagNameMap} Tag @param {Tag} tag @param {string} className @param {Node} [parent] */
export function element(tag, className, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (parent) parent.appendChild(node);
  return node;
}

// Facets tell chips what is chosen in them, { key, texts }, and chips tell facets what is taken out, { key, kind, ... };
// when Python has done it, they say so by { key, done: true }.
export const CHOSEN = "avhcurate-chosen";
export const CLEARED = "avhcurate-cleared";
// What stands side by side on a page says of what it shows: { by: "grid", view, ranges that are selected, place pointed at }
// or { by: "chart", view, place that was clicked }; with no `by` it asks for that.
export const LINKED = "avhcurate-linked";
/** @param {Partial<WindowEventMap["avhcurate-linked"]["detail"]>} detail @param {EventTarget} from */
export const link = (detail, from = window) =>
  from.dispatchEvent(new CustomEvent(LINKED, { detail, bubbles: true, composed: true }));

// The places below the address of a view at which the images at ranges of another lie.
/** @param {string} source @param {string} view @param {Ranges} ranges */
export async function placesIn(source, view, ranges) {
  if (!ranges.length) return [];
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await read(`${source}/ranges`, { method: "POST", headers, body: JSON.stringify({ view, ranges }) });
    return answer.ok ? (await answer.json()).ranges : [];
  } catch {
    return [];
  }
}

// What takes every key, and what takes the keys that move alone.
const TAKES_KEYS =
  "input, textarea, select, [contenteditable=true], [role=listbox], [role=grid], " + "[data-testid=stDataFrame]";
const TAKES_ARROWS =
  "[role=radiogroup], [role=toolbar], [role=tablist], [role=slider], [role=menu], " +
  "[data-testid=stButtonGroup], .js-plotly-plot";

/** @param {KeyboardEvent} event */
export const modified = (event) => event.ctrlKey || event.metaKey || event.altKey;

// A key that was heard here is for nobody else.
/** @param {Event} event */
export function consume(event) {
  event.preventDefault();
  event.stopPropagation();
}

// Pictures of few pixels are drawn with sharp edges.
/** @param {HTMLImageElement} image */
export function markTiny(image) {
  image.classList.toggle("tiny", image.naturalWidth <= 64 && image.naturalHeight <= 64);
}

// True where a key is for what has the focus: something outside of `root` that takes it.
/** @param {KeyboardEvent} event @param {EventTarget} root */
export function takenElsewhere(event, root) {
  const path = event.composedPath();
  if (path.includes(root)) return false;
  const moves = /^(Arrow|Home|End|Page)/.test(event.key);
  return path.some((/** @type {any} */ node) => node.matches?.(TAKES_KEYS) || (moves && node.matches?.(TAKES_ARROWS)));
}

// The function that Streamlit calls for a component: one instance a place, a new one where the data's `scope`, if it
// has one, is another.
/**
 * @typedef {{ scope?: string, update: (data: any, component: Component) => void, destroy: () => void }} Instance
 * @param {(parent: any, data: any) => Instance} create
 */
export function mounted(create) {
  const made = new WeakMap();
  return (/** @type {Component & { data: any }} */ component) => {
    const { parentElement, data } = component;
    let one = made.get(parentElement);
    if (one && one.scope !== data.scope) {
      one.destroy();
      one = null;
    }
    if (!one) {
      one = create(parentElement, data);
      made.set(parentElement, one);
    }
    one.update(data, component);
    parentElement.host.setAttribute("data-mounted", ""); // tests wait for it
    return () => {
      one.destroy();
      made.delete(parentElement);
    };
  };
}
