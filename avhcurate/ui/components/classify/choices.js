// The classes to choose from: a button and a key each, or a search among many.

import { matches } from "../commands/names.js";
import { consume, element } from "../shared.js";

/** @typedef {import("./classify.js").Card} Card */

const RECENT = 6;
const LISTED = 100;
/** @type {Record<string, number>} */
const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 6, PageUp: -6 };

/** @param {Card} card */
export function createChoices(card) {
  const node = card.part("choices");
  const many = !card.data.keys.length;
  node.replaceChildren();
  node.className = many ? "choices searching" : "choices";
  const made = many ? createSearch(node, card) : createButtons(node, card);
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

/** @param {Element} node @param {Card} card */
function createButtons(node, card) {
  const { classes, keys, about } = card.data;
  const buttons = classes.map((name, index) => {
    const [key, title] = [keys[index], about[index] ?? ""];
    const button = element("button", { className: "choice", type: "button", ariaLabel: name, title }, node);
    button.setAttribute("aria-keyshortcuts", key);
    element("kbd", { textContent: key.toUpperCase() }, button);
    if (key !== name.toLowerCase()) element("span", { className: "name", textContent: name }, button);
    card.handleButton(button, () => card.answer(index));
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
  const search = element("input", { className: "search", type: "text", autocomplete: "off", spellcheck: false }, node);
  search.placeholder = `Type to search ${count.toLocaleString("en")} classes`;
  search.setAttribute("aria-controls", "options");
  return Object.assign(search, {
    role: "combobox",
    ariaExpanded: "true",
    ariaAutoComplete: "list",
    ariaLabel: "Class",
  });
}

// Scrolls a list as far as needed to show one of it.
/** @param {Element} list @param {HTMLElement} one */
function show(list, one) {
  const [top, bottom] = [one.offsetTop, one.offsetTop + one.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

/** @param {Element} node @param {Card} card */
function createSearch(node, card) {
  const { classes, about } = card.data;
  const search = searchField(node, classes.length);
  const recent = element("div", "recent", node);
  const list = { className: "options", id: "options", role: "listbox", ariaLabel: "Classes" };
  const options = element("div", list, node);
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
      const option = element("div", { className: "option", role: "option", id: `option-${index}` }, options);
      element("span", { className: "name", textContent: classes[index] }, option);
      if (about[index]) element("span", { className: "about", textContent: about[index] }, option);
      pressable(option, index);
    }
    if (!matching.length) element("p", { className: "nothing", textContent: "No class of that name." }, options);
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
    if (index === undefined || !card.answer(index)) return;
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
    const cannotTell = card.data.skip && (() => card.answer(null));
    /** @type {Record<string, false | (() => void)>} */
    const acts = search.value ? { Escape: clear } : { Backspace: () => card.takeBack(), "?": cannotTell };
    const does = { Enter: () => choose(matching[highlighted]), ...acts }[event.key];
    if (event.key in MOVES) highlight(highlighted + MOVES[event.key]);
    else if (does && !event.repeat) does();
    else return;
    consume(event);
  };
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
        const chip = { className: "chip", type: /** @type {const} */ ("button"), textContent: classes[index] };
        pressable(element("button", chip, recent), index);
      }
    },
  };
}
