// The classes to choose from: a button and a key each, or a search among many.

import { consume, element } from "../shared.js";
import { matches } from "./matches.js";

/** @import { Classify } from "../messages.js" */

const RECENT = 6;
const LISTED = 100;
/** @type {Record<string, number>} */
const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 6, PageUp: -6 };

/**
 * @typedef {Pick<Classify.Data, "classes" | "keys" | "about">} Data
 * @typedef {{
 *   answer: (choice: number | null) => boolean, takeBack: () => void, skips: () => boolean, focus: () => void,
 * }} Does
 */

// `data` has the `classes`, their `keys` and what is written `about` them. `answer(choice)` returns whether it counts.
/** @param {Element} node @param {Data} data @param {Does} does */
export function createChoices(node, data, does) {
  const many = !data.keys.length;
  node.replaceChildren();
  node.className = many ? "choices searching" : "choices";
  const made = many ? createSearch(node, data, does) : createButtons(node, data, does);
  return {
    ...made,
    /** @param {number | null} choice @param {string} how */
    flash(choice, how) {
      const button = /** @type {HTMLElement} */ (made.buttons[choice ?? -1] ?? node);
      button.classList.remove("hit", "ignored");
      void button.offsetWidth; // starts the animation again
      button.classList.add(how);
    },
  };
}

/** @param {Element} node @param {Data} data @param {Pick<Does, "answer" | "focus">} does */
function createButtons(node, { classes, keys, about }, { answer, focus }) {
  const buttons = classes.map((name, index) => {
    const button = element("button", "choice", node);
    button.type = "button";
    element("kbd", "", button).textContent = keys[index].toUpperCase();
    if (keys[index] !== name.toLowerCase()) element("span", "name", button).textContent = name;
    button.setAttribute("aria-label", name);
    if (about[index]) button.title = about[index];
    button.setAttribute("aria-keyshortcuts", keys[index]);
    button.onclick = () => {
      answer(index);
      focus();
    };
    return button;
  });
  return {
    buttons,
    searches: false,
    typing: () => false,
    focus: () => undefined,
    remember: (/** @type {number} */ _) => undefined,
  };
}

/** @param {Element} node @param {number} count */
function searchField(node, count) {
  const search = element("input", "search", node);
  search.type = "text";
  search.placeholder = `Type to search ${count.toLocaleString("en")} classes`;
  search.autocomplete = "off";
  search.spellcheck = false;
  const attributes = {
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "options",
    "aria-autocomplete": "list",
    "aria-label": "Class",
  };
  for (const [name, value] of Object.entries(attributes)) search.setAttribute(name, value);
  return search;
}

// Scrolls a list as far as needed to show one of it.
/** @param {Element} list @param {HTMLElement} one */
function show(list, one) {
  const [top, bottom] = [one.offsetTop, one.offsetTop + one.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

/** @param {Element} node @param {Data} data @param {Does} does */
function createSearch(node, { classes, about }, { answer, takeBack, skips }) {
  const search = searchField(node, classes.length);
  const recent = element("div", "recent", node);
  const options = element("div", "options", node);
  let matching = /** @type {number[]} */ ([]);
  let highlighted = 0;
  let recently = /** @type {number[]} */ ([]);

  // What is pressed leaves the focus where one types.
  /** @param {HTMLElement} one @param {number} index */
  function pressable(one, index) {
    one.onmousedown = (event) => event.preventDefault();
    one.onclick = () => choose(index);
  }

  function drawOptions() {
    matching = matches(classes, search.value);
    options.replaceChildren();
    for (const index of matching.slice(0, LISTED)) {
      const option = element("div", "option", options);
      option.setAttribute("role", "option");
      option.id = `option-${index}`;
      element("span", "name", option).textContent = classes[index];
      if (about[index]) element("span", "about", option).textContent = about[index];
      pressable(option, index);
    }
    if (!matching.length) element("p", "nothing", options).textContent = "No class of that name.";
    highlight(0);
  }

  /** @param {number} place */
  function highlight(place) {
    const all = /** @type {HTMLElement[]} */ ([...options.querySelectorAll(".option")]);
    highlighted = Math.max(0, Math.min(place, all.length - 1));
    all.forEach((option, index) => void option.setAttribute("aria-selected", String(index === highlighted)));
    const chosen = all[highlighted];
    search.setAttribute("aria-activedescendant", chosen?.id ?? "");
    if (chosen) show(options, chosen);
  }

  /** @param {number | undefined} index */
  function choose(index) {
    if (index === undefined || !answer(index)) return;
    clear();
    focus();
  }

  function clear() {
    search.value = "";
    drawOptions();
  }

  const focus = () => search.focus({ preventScroll: true });

  search.oninput = drawOptions;
  search.onkeydown = (event) => {
    /** @type {Record<string, false | (() => void)>} */
    const own = search.value ? { Escape: clear } : { Backspace: takeBack, "?": skips() && (() => answer(null)) };
    /** @type {typeof own} */
    const acts = { Enter: () => choose(matching[highlighted]), ...own };
    const does = acts[event.key];
    if (event.key in MOVES) highlight(highlighted + MOVES[event.key]);
    else if (does && !event.repeat) does();
    else return;
    consume(event);
  };
  options.id = "options";
  options.setAttribute("role", "listbox");
  options.setAttribute("aria-label", "Classes");
  drawOptions();
  focus();

  return {
    buttons: /** @type {HTMLButtonElement[]} */ ([]),
    searches: true,
    typing: () => /** @type {ShadowRoot} */ (node.getRootNode()).activeElement === search,
    focus,
    /** @param {number} choice */
    remember(choice) {
      recently = [choice, ...recently.filter((other) => other !== choice)].slice(0, RECENT);
      recent.replaceChildren();
      for (const index of recently) {
        const chip = element("button", "chip", recent);
        chip.type = "button";
        chip.textContent = classes[index];
        pressable(chip, index);
      }
    },
  };
}
