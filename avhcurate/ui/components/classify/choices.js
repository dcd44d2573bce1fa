// The classes to choose from: a button and a key each, or a search among many.

import { consume, element } from "../shared.js";
import { matches } from "./matches.js";

const RECENT = 6;
const LISTED = 100;
const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 6, PageUp: -6 };

// `data` has the `classes`, their `keys` and what is written `about` them. `answer(choice)` returns whether it counts.
export function createChoices(node, data, does) {
  const many = !data.keys.length;
  node.replaceChildren();
  node.className = many ? "choices searching" : "choices";
  const made = many ? createSearch(node, data, does) : createButtons(node, data, does);
  return {
    ...made,
    flash(choice, how) {
      const button = made.buttons[choice] ?? node;
      button.classList.remove("hit", "ignored");
      void button.offsetWidth; // starts the animation again
      button.classList.add(how);
    },
  };
}

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
  return { buttons, searches: false, typing: () => false, focus: () => undefined, remember: () => undefined };
}

function searchField(node, count) {
  const search = element("input", "search", node);
  search.type = "text";
  search.placeholder = `Type to search ${count.toLocaleString("en")} classes`;
  search.autocomplete = "off";
  search.spellcheck = false;
  const attributes = {
    role: "combobox", "aria-expanded": "true", "aria-controls": "options", "aria-autocomplete": "list", "aria-label": "Class",
  };
  for (const [name, value] of Object.entries(attributes)) search.setAttribute(name, value);
  return search;
}

function createSearch(node, { classes, about }, { answer, takeBack, skips }) {
  const search = searchField(node, classes.length);
  const recent = element("div", "recent", node);
  const options = element("div", "options", node);
  let matching = [];
  let highlighted = 0;
  let recently = [];

  // What is pressed leaves the focus where one types.
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

  function highlight(place) {
    const all = /** @type {HTMLElement[]} */ ([...options.querySelectorAll(".option")]);
    highlighted = Math.max(0, Math.min(place, all.length - 1));
    all.forEach((option, index) => void option.setAttribute("aria-selected", String(index === highlighted)));
    const chosen = all[highlighted];
    search.setAttribute("aria-activedescendant", chosen?.id ?? "");
    if (chosen) show(chosen.offsetTop, chosen.offsetTop + chosen.offsetHeight);
  }

  function show(top, bottom) {
    if (top < options.scrollTop) options.scrollTop = top;
    if (bottom > options.scrollTop + options.clientHeight) options.scrollTop = bottom - options.clientHeight;
  }

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
    const own = search.value ? { Escape: clear } : { Backspace: takeBack, "?": skips() && (() => answer(null)) };
    const does = { Enter: () => choose(matching[highlighted]), ...own }[event.key];
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
    buttons: [],
    searches: true,
    typing: () => node.getRootNode().activeElement === search,
    focus,
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
