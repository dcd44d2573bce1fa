// What every component's script begins with: making nodes, and being mounted.

import { read } from "./carrier.js";

/** @import { Component, Ranges } from "./events.js" */

export const SILENT_MS = 30_000; // without an answer: the line is dead, though nobody says so

// A node in a parent; `look` is its class, or its properties.
/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string | Partial<HTMLElementTagNameMap[Tag]>} [look] @param {Node} [parent]
 */
export function element(tag, look = "", parent) {
  const node = document.createElement(tag);
  if (typeof look !== "string") Object.assign(node, look);
  else if (look) node.className = look;
  parent?.appendChild(node);
  return node;
}

// "1 image", "1,797 images".
/** @param {number} number */
export const images = (number) => `${number.toLocaleString("en")} image${number === 1 ? "" : "s"}`;

// The element of a class in the HTML of a component, which has it.
/** @param {ParentNode} root @param {string} name @returns {HTMLElement} */
export const partOf = (root, name) => /** @type {HTMLElement} */ (root.querySelector(`.${name}`));

// The buttons of a component, by what they do.
/** @param {ParentNode} root @returns {Record<string, HTMLButtonElement>} */
export function buttonsOf(root) {
  const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (root.querySelectorAll("[data-do]"));
  return Object.fromEntries([...buttons].map((button) => [button.dataset.do, button]));
}

// What stands side by side on a page says of what it shows: { by: "grid", view, ranges that are selected, place pointed at }
// or { by: "chart", view, place that was clicked }; with no `by` it asks for that.
export const LINKED = "avhcurate-linked";
/** @param {Partial<WindowEventMap["avhcurate-linked"]["detail"]>} detail @param {EventTarget} from */
export const link = (detail, from = window) =>
  from.dispatchEvent(new CustomEvent(LINKED, { detail, bubbles: true, composed: true }));

// What a route answers, as JSON; null where it refuses or is silent, or a cut ends its answer.
/** @param {string} address @param {RequestInit} [options] */
export async function readJson(address, options) {
  try {
    const answer = await read(address, { ...options, signal: AbortSignal.timeout(SILENT_MS) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

// What the grid's routes say of places in a view, as ranges; null where they do not answer.
/** @param {string} address @param {string} view @param {Ranges} ranges @returns {Promise<Ranges | null>} */
async function rangesAt(address, view, ranges) {
  if (!ranges.length) return [];
  const headers = { "Content-Type": "application/json" };
  const answer = await readJson(address, { method: "POST", headers, body: JSON.stringify({ view, ranges }) });
  return answer?.ranges ?? null;
}

// The places below the address of a view at which the images at ranges of another lie.
/** @param {string} source @param {string} view @param {Ranges} ranges */
export const placesIn = async (source, view, ranges) => (await rangesAt(`${source}/ranges`, view, ranges)) ?? [];

// The ids of the images at places of a view; null where the server does not say.
/** @param {string} source @param {string} view @param {Ranges} ranges */
export const idsAt = (source, view, ranges) => rangesAt(`${source}/ids`, view, ranges);

// What a browser keeps, as JSON: null, and nothing is kept, where it has no storage, or a full one.
/** @param {"localStorage" | "sessionStorage"} where */
export function createStore(where) {
  /** @template T @param {(storage: Storage) => T} act */
  function attempt(act) {
    try {
      return act(window[where]);
    } catch {
      return null;
    }
  }

  return {
    recall: (/** @type {string} */ key) => attempt((storage) => JSON.parse(storage.getItem(key) ?? "null")),
    /** @param {string} key @param {unknown} value */
    keep: (key, value) => attempt((storage) => storage.setItem(key, JSON.stringify(value))),
    forget: (/** @type {string} */ key) => attempt((storage) => storage.removeItem(key)),
    /** @returns {string[]} */
    keys: () => attempt(Object.keys) ?? [],
  };
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
  if (event.composedPath().includes(root)) return false;
  const moves = /^(Arrow|Home|End|Page)/.test(event.key);
  const path = /** @type {Element[]} */ (event.composedPath());
  return path.some((node) => node.matches?.(TAKES_KEYS) || (moves && node.matches?.(TAKES_ARROWS)));
}

// The function that Streamlit calls for a component: one instance a place, a new one where the data's `scope`, if it
// has one, is another. Streamlit ends a run also when newer data have overtaken it, before these run or after: only the
// end of a place that has left the page is that of the instance.
/**
 * @template Data
 * @typedef {{ scope?: string, update: (data: Data, component: Component) => void, destroy: () => void }} Instance
 */
/**
 * @template Data
 * @param {(parent: ShadowRoot, data: Data & { scope?: string }) => Instance<Data>} create
 */
export function mounted(create) {
  const made = new WeakMap();
  return (/** @type {Component & { data: Data & { scope?: string } }} */ component) => {
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
      if (parentElement.isConnected) return;
      made.get(parentElement)?.destroy();
      made.delete(parentElement);
    };
  };
}
