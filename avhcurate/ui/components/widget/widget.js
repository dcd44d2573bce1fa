// The image grid in a notebook: what HTTP carries in the app, the messages of a widget carry here.

import { carryBy } from "../carrier.js";
import { default as mountGrid } from "../grid/grid.js";
import { connect } from "../outbox.js";
import { element, LINKED } from "../shared.js";
import { createThumbnails } from "../thumbnails.js";

/**
 * @typedef {object} Model The widget's half in the browser.
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(content: object) => void} send
 * @property {(event: string, received: (...given: any[]) => void) => void} on
 * @property {(event: string, received: (...given: any[]) => void) => void} off
 */

// Questions have numbers, and so have their answers.
/** @param {Model} model @returns {import("../carrier.js").Carrier} */
export function createCarrier(model) {
  /** @type {Map<number, (answer: any) => void>} */
  const waiting = new Map();
  let last = 0;

  /** @param {object} question @returns {Promise<any>} */
  function ask(question) {
    last += 1;
    const answered = new Promise((done) => waiting.set(last, done));
    model.send({ ask: last, ...question });
    return answered;
  }

  model.on("msg:custom", ({ answer, status, json }, buffers) => {
    waiting.get(answer)?.({ status, ok: status < 400, json: async () => json, buffers });
    waiting.delete(answer);
  });
  return {
    read: (address, { body = "" } = {}) => ask({ address, body }),
    draw: createThumbnails(async (pictures) => (await ask({ pictures })).buffers),
  };
}

/** @param {Model} model @param {ShadowRoot} parentElement */
function follow(model, parentElement) {
  const component = {
    parentElement,
    setStateValue: () => undefined,
    setTriggerValue: (/** @type {string} */ name, /** @type {unknown} */ value) => model.send({ [name]: value }),
  };
  let unmount = () => {};
  const show = () => {
    unmount = mountGrid({ ...component, data: model.get("data") });
  };
  model.on("change:data", show);
  show();
  return () => {
    model.off("change:data", show);
    unmount();
  };
}

// The widget, for each of which this module is loaded anew.
/** @param {string} html @param {string} style */
export const run = (html, style) => ({
  initialize(/** @type {{ model: Model }} */ { model }) {
    carryBy(createCarrier(model));
    connect({ keeper: "", decisions: "decisions/new", window: "" }); // a kernel that ends takes them with it
  },
  render(/** @type {{ model: Model, el: HTMLElement }} */ { model, el }) {
    const host = element("div", "", el);
    host.dataset.lmSuppressShortcuts = "true"; // in Jupyter X would cut the cell
    const root = host.attachShadow({ mode: "open" });
    root.innerHTML = `<style>${style}</style>${html}`;
    host.addEventListener(LINKED, (event) => {
      const { view, ranges } = /** @type {WindowEventMap["avhcurate-linked"]} */ (event).detail;
      if (JSON.stringify(model.get("selection")) === JSON.stringify({ view, ranges })) return;
      model.set("selection", { view, ranges });
      model.save_changes();
    });
    return follow(model, root);
  },
});
