// Acting on images by key: what the keys do, a field that completes names, a message with Undo, and the list of keys.

import { decide, listen } from "../outbox.js";
import { element, modified } from "../shared.js";
import { Field } from "./field.js";
import { createMessage } from "./message.js";

/** @import { Answered, Decided, Value } from "../events.js" */
/** @import { Grid } from "../messages.js" */
/** @import { Message } from "./message.js" */

const OPEN = ":popover-open";
// Whatever shows images, these keys act on them.
/** @type {[string, string][]} */
const SHARED_KEYS = [
  ["T", "tag"],
  ["L", "label"],
  ["X", "exclude"],
  ["U, Backspace", "undo"],
  ["/", "to the filters' condition"],
  ["?", "these keys"],
];

// True where a key is meant for a text.
/** @param {Event} event */
export function writes(event) {
  const node = /** @type {HTMLElement} */ (event.composedPath()[0]);
  return node.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(node.tagName);
}

// True where a key has nothing else to do: nobody has acted on it, and nothing has the focus, or a button, to which
// letters mean nothing, or what was just hidden and has it until the next frame. In a notebook such keys are the
// notebook's.
/** @param {KeyboardEvent} event */
export function idle(event) {
  if (event.defaultPrevented || !document.querySelector("[data-testid=stMain]")) return false;
  const node = /** @type {Element} */ (event.target);
  if (node === document.body || node.matches?.("[data-testid=stMain]")) return true;
  const inner = /** @type {Element} */ (event.composedPath()[0]);
  if (inner.checkVisibility?.() === false) return true;
  const letter = event.key.length === 1 && event.key !== " ";
  return letter && node.matches?.("button") && !node.closest("[data-testid=stPopoverBody]");
}

// The field of the filters' condition; none where a dialog keeps the focus.
/** @returns {HTMLElement | null} */
function filters() {
  if (document.querySelector("[data-testid=stDialog], .st-key-details")) return null;
  return document.querySelector("[class*=st-key-filter-where] :is(input, textarea)");
}

/** @param {HTMLElement} box */
function toFilters(box) {
  if (!box.checkVisibility()) box.closest("details")?.querySelector("summary")?.click();
  setTimeout(() => {
    box.scrollIntoView({ block: "center" });
    box.focus();
  }, 50);
}

// The list of all keys: those of the component, then those of all, then those of classes and tags that are free.
/** @param {Element} table @param {[string, string][]} own @param {[string, string][]} named */
function listKeys(table, own, named) {
  const taken = own.map(([key]) => key);
  const shared = SHARED_KEYS.filter(([key]) => key !== "/" || filters());
  table.replaceChildren();
  for (const [key, does] of [...own, ...shared, ...named.filter(([key]) => !taken.includes(key))]) {
    element("dt", { textContent: key }, table);
    element("dd", { textContent: does }, table);
  }
}

/** @typedef {{ text: string, undo: boolean | number }} Told */

const given = /** @type {Map<string, Message>} */ (new Map()); // nonce of a decision -> what says what came of it
listen({ answered });

/** @param {Answered} one */
function answered({ decided, text, undo }) {
  const message = given.get(decided.nonce);
  given.delete(decided.nonce);
  if (message && text) tell(message, { text, undo }, decided);
}

/** @param {Message} message @param {Omit<Decided, "nonce" | "at">} decision */
function give(message, decision) {
  given.set(decide(decision), message);
}

// Says what was done. What undoes it is about that, whatever is decided or shown meanwhile.
/** @param {Message} message @param {Told} told @param {Pick<Decided, "dataset" | "version"> & { nonce?: string }} about */
function tell(message, { text, undo }, { dataset, version, nonce }) {
  const what = typeof undo === "number" ? { value: undo } : { of: nonce };
  const takeBack = () => give(message, { kind: "undo", dataset, version, ids: [], ...what });
  message.show(text, undo ? takeBack : undefined);
}

/** @typedef {{ act: (action: string, value?: Value) => void, chosen: () => number, likely?: () => string }} Does */

// `act(action, value)` acts on what is chosen, `chosen()` counts it, `likely()` names the class that it is likely of,
// `back()` returns the focus to the images. `own` are the keys of the component itself, as [key, text]: it hears them
// first, so no class or tag has one of them.
/**
 * @typedef {Grid.Actions} Actions
 * @param {HTMLElement} pane
 * @param {Does & { back: () => void, own: [string, string][] }} does
 */
export function createCommands(pane, { act, chosen, likely, back, own }) {
  const overlay = /** @type {HTMLElement} */ (pane.querySelector(".keys"));
  const field = new Field(/** @type {HTMLElement} */ (pane.querySelector(".ask")), {
    act,
    chosen,
    likely,
    closed: close,
  });
  const bar = () => pane.parentElement?.querySelector(".bar");
  const message = createMessage(/** @type {HTMLElement} */ (pane.querySelector(".message")), bar, back);
  let keys = /** @type {Actions["keys"]} */ ({}); // key -> { action, value, text }
  let shown = 0;

  function close() {
    const open = [field.node, overlay].filter((one) => one.matches(OPEN));
    for (const one of open) one.togglePopover(false);
    if (open.length) back();
  }

  function list() {
    /** @type {[string, string][]} */
    const named = Object.entries(keys).map(([key, { text }]) => [key.toUpperCase(), text]);
    listKeys(/** @type {Element} */ (overlay.querySelector("dl")), own, named);
    overlay.togglePopover(true);
    overlay.focus();
  }

  overlay.onkeydown = (event) => {
    event.stopPropagation();
    if (["Escape", "?", "Enter"].includes(event.key)) close();
  };
  overlay.onclick = close;

  /** @type {Record<string, () => void>} */
  const always = { "?": list, u: () => act("undo"), Backspace: () => act("undo") };
  /** @type {Record<string, () => void>} */
  const onChosen = { t: () => field.ask("tag"), l: () => field.ask("label"), x: () => act("exclude") };

  return {
    ask: (/** @type {string} */ kind) => field.ask(kind),
    // Decides something; what the server says of it is shown.
    /** @param {Omit<Decided, "nonce" | "at">} decision */
    decide: (decision) => give(message, decision),
    showMessage: (/** @type {string} */ text) => message.show(text),
    list,
    open: () => [field.node, overlay].some((one) => one.matches(OPEN)),
    // What a key does; nothing where it means nothing.
    /** @param {KeyboardEvent} event @returns {(() => void) | null | undefined} */
    meaning(event) {
      if (modified(event)) return null;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const box = key === "/" && filters();
      if (box) return () => toFilters(box);
      const named = keys[key] && (() => act(keys[key].action, keys[key].value));
      return always[key] ?? (chosen() ? (onChosen[key] ?? named) : null);
    },
    /** @param {Actions} actions */
    update(actions) {
      field.names = actions;
      keys = actions.keys;
      if (actions.done && actions.done.number !== shown) {
        shown = actions.done.number;
        tell(message, actions.done, actions);
      }
      message.goOn();
    },
    destroy: message.destroy,
  };
}
