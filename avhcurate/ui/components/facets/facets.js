// Facets: histograms and lists of values as buttons. What is chosen shows at once, and Python hears all of it after a rest.

import { mounted } from "../shared.js";
import { createTalk } from "../talk.js";
import { drawFacet } from "./parts.js";
import { chipTexts, withActs } from "./state.js";

/** @import { Component } from "../events.js" */
/** @import { Facets } from "../messages.js" */

const REST_MS = 200; // between the last press and the message
const RELEASES = ["pointerup", "pointercancel"];

export default mounted((parent) => new Board(parent));

/** @typedef {Facets.Panel} Panel */
/** @typedef {{ state: string, section: HTMLElement }} Drawn */

class Board {
  /** @type {Facets.Data} */
  data = { panels: [], label: "", handled: 0 };
  drawn = /** @type {Map<string, Drawn>} */ (new Map()); // by key of the facet: what was drawn, and its element
  held = false; // a pointer is down: its button must stay

  /** @param {ParentNode} parent */
  constructor(parent) {
    this.root = /** @type {HTMLElement} */ (parent.querySelector(".facets"));
    const repaint = () => this.paint();
    this.talk = createTalk({ shares: true, rest: REST_MS, lost: repaint, changed: repaint });
    this.root.onpointerdown = () => {
      this.held = true;
    };
    // A button that goes between the press and the release of a pointer would not be clicked.
    this.released = () => setTimeout(() => this.release());
    for (const event of RELEASES) addEventListener(event, this.released);
  }

  // The chips show what a facet will be as its `texts`.
  /** @param {Panel} panel @param {Omit<Facets.FacetEvent, "key">} act */
  send({ key }, act) {
    const finds = act.kind === "find";
    const event = { key, ...act };
    const next = withActs(this.shown(), [event]).filter((panel) => panel.key === key);
    this.talk.act(event, {
      replaced: (sent) => sent.key === key && (sent.kind === "find") === finds,
      texts: finds ? undefined : next.flatMap(chipTexts),
      left: event,
    });
    this.paint();
  }

  release() {
    this.held = false;
    this.paint();
  }

  // The facets with all that was done here, or to their chips, and that Python has yet to do.
  shown() {
    return withActs(
      this.data.panels,
      this.talk.all().flatMap(({ left }) => left ?? []),
    );
  }

  // What has the focus: the facet, the place in it, and a text that is being typed.
  focused() {
    const node = /** @type {HTMLInputElement | null} */ (
      /** @type {ShadowRoot} */ (this.root.getRootNode()).activeElement
    );
    const at = node?.dataset.at;
    const facet = /** @type {HTMLElement | null | undefined} */ (node?.closest(".facet"));
    return { key: facet?.dataset.key, at, typed: at === "find" ? (node?.value ?? null) : null };
  }

  // Lists stay scrolled, and the focus where it is.
  paint() {
    if (this.held) return;
    this.root.classList.toggle("waiting", this.talk.all().length > 0);
    const focus = this.focused();
    const next = new Map(
      this.shown().map((panel) => [panel.key, this.section(panel, focus.key === panel.key ? focus.typed : null)]),
    );
    const scrolled = [...next.keys()].map((key) => this.drawn.get(key)?.section.querySelector(".list")?.scrollTop);
    this.place(next);
    this.drawn = next;
    [...next.values()].forEach(({ section }, place) => {
      const list = section.querySelector(".list");
      if (list && scrolled[place]) list.scrollTop = scrolled[place];
    });
    if (focus.key === undefined || focus.at === undefined) return;
    /** @type {HTMLElement | null | undefined} */
    const again = next.get(focus.key)?.section.querySelector(`[data-at="${CSS.escape(focus.at)}"]`);
    again?.focus({ preventScroll: true });
  }

  // What is the same stays in the page, which is not laid out anew for one facet.
  /** @param {Map<string, Drawn>} next */
  place(next) {
    const same = String([...this.drawn.keys()]) === String([...next.keys()]);
    if (!same) return this.root.replaceChildren(...[...next.values()].map((one) => one.section));
    for (const [key, { section }] of this.drawn) {
      const now = next.get(key)?.section ?? section;
      if (now !== section) section.replaceWith(now);
    }
  }

  // What was drawn of a facet, or a new drawing; a text that is being typed stays.
  /** @param {Panel} panel @param {string | null} typed */
  section(panel, typed) {
    const state = JSON.stringify(panel);
    const before = this.drawn.get(panel.key);
    if (before?.state === state) return before;
    const made = { state, section: drawFacet(panel, (act) => this.send(panel, act)) };
    /** @type {HTMLInputElement | null} */
    const input = made.section.querySelector(".find");
    if (typed !== null && input) input.value = typed;
    return made;
  }

  /** @param {Facets.Data} next @param {Component} component */
  update(next, component) {
    this.talk.receive(component, next.handled);
    this.data = next;
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", next.label);
    this.paint();
  }

  destroy() {
    for (const event of RELEASES) removeEventListener(event, this.released);
    this.talk.destroy();
  }
}
