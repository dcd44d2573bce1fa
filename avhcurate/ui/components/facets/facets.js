// Facets: histograms and lists of values as buttons. What is chosen shows at once, and Python hears all of it after a rest.

import { CHOSEN, CLEARED, mounted } from "../shared.js";
import { createTalk } from "../talk.js";
import { dragBars, drawFacet } from "./parts.js";
import { chipTexts, withActs } from "./state.js";

const REST_MS = 200; // between the last press and the message

export default mounted(createBoard);

function createBoard(parent) {
  const root = parent.querySelector(".facets");
  const talk = createTalk({ rest: REST_MS, lost });
  let data = { panels: [] };
  let cleared = []; // acts of chips, until Python has done them
  const told = new Set(); // keys of facets of which the chips say what Python has yet to do
  let drawn = new Map(); // by key of the facet: what was drawn, and its element
  let held = false; // a pointer is down: its button must stay

  const does = {
    choose: (panel, values) => tell(panel, { kind: "values", values }),
    range: (panel, low, high) => tell(panel, { kind: "range", low, high }),
    remove: (panel) => tell(panel, { kind: "remove" }),
    find: (panel, find) => tell(panel, { kind: "find", find }),
    drag: (panel, place, event) => dragBars(panel, does, place, event),
  };

  function tell({ key }, act) {
    cleared = cleared.filter((one) => one.key !== key);
    const same = (sent) => sent.key === key && (sent.kind === "find") === (act.kind === "find");
    talk.act({ key, ...act }, { replaced: same });
    paint();
    if (act.kind === "find") return;
    told.add(key);
    dispatchEvent(new CustomEvent(CHOSEN, { detail: { key, texts: shown().filter((one) => one.key === key).flatMap(chipTexts) } }));
  }

  // The chips hear of what is no longer on its way.
  function settle(gone = false) {
    for (const key of told) {
      if (talk.pending().some(({ sent }) => sent.key === key)) continue;
      told.delete(key);
      dispatchEvent(new CustomEvent(CHOSEN, { detail: { key, done: true, gone } }));
    }
  }

  // The facets with all that was chosen here and that Python has yet to do.
  function shown() {
    return withActs(data.panels, [...cleared, ...talk.pending().map(({ sent }) => sent)]);
  }

  function paint() {
    if (held) return;
    const focused = root.getRootNode().activeElement;
    const within = focused?.closest?.(".facet")?.dataset.key;
    const at = focused?.dataset?.at;
    const next = new Map();
    for (const panel of shown()) next.set(panel.key, section(panel, within === panel.key && at === "find" ? focused.value : null));
    const scrolled = [...next].map(([key]) => drawn.get(key)?.section.querySelector(".list")?.scrollTop ?? 0);
    const sections = [...next.values()].map((one) => one.section);
    // What is the same stays in the page, which is not laid out anew for one facet.
    if (String([...drawn.keys()]) === String([...next.keys()])) {
      for (const [key, { section: before }] of drawn) if (before !== next.get(key).section) before.replaceWith(next.get(key).section);
    } else root.replaceChildren(...sections);
    drawn = next;
    sections.forEach((one, place) => {
      if (scrolled[place]) one.querySelector(".list").scrollTop = scrolled[place];
    });
    if (within !== undefined && at !== undefined) {
      next.get(within)?.section.querySelector(`[data-at="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
    }
  }

  // What was drawn of a facet, or a new drawing; a text that is being typed stays.
  function section(panel, typed) {
    const state = JSON.stringify(panel);
    const before = drawn.get(panel.key);
    if (before?.state === state) return before;
    const made = { state, section: drawFacet(panel, does) };
    const input = made.section.querySelector(".find");
    if (typed !== null && input) input.value = typed;
    return made;
  }

  function lost() {
    settle(true);
    paint();
  }

  // A button that goes between the press and the release of a pointer would not be clicked.
  function release() {
    setTimeout(() => {
      held = false;
      paint();
    });
  }

  function cleaned({ detail }) {
    cleared = cleared.filter(({ key }) => key !== detail.key);
    if (!detail.done) cleared.push(detail);
    paint();
  }

  root.addEventListener("pointerdown", () => (held = true));
  for (const event of ["pointerup", "pointercancel"]) addEventListener(event, release);
  addEventListener(CLEARED, cleaned);

  return {
    update(next, component) {
      talk.hear(component, next.handled);
      data = next;
      settle();
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", next.label);
      paint();
    },
    destroy() {
      for (const event of ["pointerup", "pointercancel"]) removeEventListener(event, release);
      removeEventListener(CLEARED, cleaned);
      talk.destroy();
    },
  };
}
