// Acting on images by key: what the keys do, a field that completes names, a message with Undo, and the list of keys.

import { element } from "../shared.js";

const MATCHES = 8;
const MESSAGE_MS = 8000;
const OPEN = ":popover-open";
// Whatever shows images, these keys act on them.
const SHARED_KEYS = [
  ["T", "tag"], ["L", "label"], ["X", "exclude"], ["U, Backspace", "undo"], ["/", "to the filters' condition"],
  ["?", "these keys"],
];

// What the field asks for, by kind: the names that complete it, and what its two buttons do. What `replaces` another of
// its name is never completed unasked.
const ASKED = {
  tag: {
    title: (images) => `Tag ${images}`, hint: "a tag, new or known", names: "tags", free: true,
    add: ["Add tag", "tag"], away: ["Remove tag", "untag"],
  },
  label: {
    title: (images) => `Label ${images}`, hint: "a class", names: "classes",
    add: ["Relabel", "relabel"], away: ["Restore label", "relabel"],
  },
  set: {
    title: (images) => `Save ${images} as a set`, hint: "a new name, or a set to replace", names: "sets", free: true,
    replaces: true, add: ["Save", "set"],
  },
};

// True where a key is meant for a text.
export function writes(event) {
  const node = event.composedPath()[0];
  return node.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(node.tagName);
}

// True where a key has nothing else to do: nobody has acted on it, and nothing has the focus, or a button, to which
// letters mean nothing.
export function idle(event) {
  if (event.defaultPrevented) return false;
  const node = event.target;
  if (node === document.body || node.matches?.("[data-testid=stMain]")) return true;
  const letter = event.key.length === 1 && event.key !== " ";
  return letter && node.matches?.("button") && !node.closest("[data-testid=stPopoverBody]");
}

// `act(action, value)` acts on what is chosen, `chosen()` counts it, `back()` returns the focus to the images. `own` are
// the keys of the component itself, as [key, text]: it hears them first, so no class or tag has one of them.
export function createCommands(pane, { act, chosen, back, own }) {
  const field = pane.querySelector(".ask");
  const [title, input, list, add, remove] =
    ["label", "input", "ul", ".add", ".away"].map((one) => field.querySelector(one));
  const message = pane.querySelector(".message");
  const overlay = pane.querySelector(".keys");
  let names = { classes: [], tags: [], sets: [] };
  let keys = {}; // key -> { action, value, text }
  let asking = null;
  let matches = [];
  let at = 0;
  let picked = false; // the match at hand was pointed at
  let timer = null;
  let shown = 0;

  // --- the field ---------------------------------------------------------------------------

  function images() {
    const number = chosen();
    return `${number.toLocaleString("en")} image${number === 1 ? "" : "s"}`;
  }

  function ask(kind) {
    asking = ASKED[kind];
    title.textContent = asking.title(images());
    input.placeholder = asking.hint;
    input.value = "";
    add.textContent = asking.add[0];
    remove.textContent = asking.away?.[0];
    remove.hidden = field.querySelector(".or").hidden = !asking.away;
    field.togglePopover(true);
    find();
    input.focus();
  }

  function close() {
    if (!field.matches(OPEN) && !overlay.matches(OPEN)) return;
    for (const one of [field, overlay]) one.togglePopover(false);
    asking = null;
    back();
  }

  // Names that begin with the text come first.
  function find() {
    const text = input.value.trim().toLowerCase();
    const all = names[asking.names].map((name, value) => ({ name, value }));
    const has = all.filter(({ name }) => name.toLowerCase().includes(text));
    const begins = ({ name }) => name.toLowerCase().startsWith(text);
    matches = [...has.filter(begins), ...has.filter((one) => !begins(one))].slice(0, MATCHES);
    at = asking.replaces ? -1 : 0;
    picked = false;
    paint();
  }

  function paint() {
    list.replaceChildren();
    matches.forEach(({ name }, number) => {
      const item = element("li", "", list);
      item.id = `match-${number}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(number === at));
      item.textContent = name;
      item.onpointerdown = (event) => {
        event.preventDefault();
        at = number;
        picked = true;
        take(false);
      };
    });
    input.setAttribute("aria-activedescendant", matches[at] ? `match-${at}` : "");
  }

  function take(away) {
    const text = input.value.trim();
    const known = matches[at];
    const exact = matches.find(({ name }) => name === text);
    const action = (away ? asking.away : asking.add)?.[1];
    if (!asking.free && away) act(action); // back to the label as given
    else if (!asking.free && known) act(action, (exact ?? known).value);
    else if (asking.free && action) {
      // A new name is what was typed, unless a known one was pointed at or begins so.
      const meant = known && (picked || known.name.toLowerCase().startsWith(text.toLowerCase()));
      const name = exact?.name ?? (meant ? known.name : text);
      if (!name) return;
      act(action, name);
    } else return;
    close();
  }

  [add, remove].forEach((button) => (button.onclick = () => take(button === remove)));
  input.oninput = find;
  field.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === input) take(event.shiftKey);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      at = matches.length ? (at + step + matches.length) % matches.length : at;
      picked = true;
      paint();
    } else return;
    event.preventDefault();
  };
  field.addEventListener("focusout", (event) => {
    if (!field.contains(event.relatedTarget)) field.togglePopover(false);
  });

  // --- the list of keys ----------------------------------------------------------------------

  function listKeys() {
    const table = overlay.querySelector("dl");
    table.replaceChildren();
    const named = Object.entries(keys).map(([key, { text }]) => [key.toUpperCase(), text]);
    const taken = own.map(([key]) => key);
    const shared = SHARED_KEYS.filter(([key]) => key !== "/" || filters());
    for (const [key, does] of [...own, ...shared, ...named.filter(([key]) => !taken.includes(key))]) {
      element("dt", "", table).textContent = key;
      element("dd", "", table).textContent = does;
    }
    overlay.togglePopover(true);
    overlay.focus();
  }

  overlay.onkeydown = (event) => {
    event.stopPropagation();
    if (["Escape", "?", "Enter"].includes(event.key)) close();
  };
  overlay.onclick = close;

  // --- messages ------------------------------------------------------------------------------

  message.querySelector("button").onclick = () => {
    message.togglePopover(false);
    act("undo", typeof offered === "number" ? offered : null);
    back();
  };

  let offered = false; // true for the last act, or the number of an entry

  function say({ text, undo }) {
    offered = undo;
    message.querySelector("span").textContent = text;
    message.querySelector("button").hidden = !undo;
    const bar = pane.parentElement?.querySelector(".bar")?.getBoundingClientRect();
    message.style.bottom = bar?.height && bar.top < innerHeight ? `${innerHeight - bar.top + 8}px` : "";
    message.togglePopover(true);
    clearTimeout(timer);
    timer = setTimeout(() => (message.togglePopover(false)), MESSAGE_MS);
  }

  // The field of the filters' condition; none where a dialog keeps the focus.
  function filters() {
    if (document.querySelector("[data-testid=stDialog], .st-key-details")) return null;
    return document.querySelector("[class*=st-key-filter-where] :is(input, textarea)");
  }

  function toFilters() {
    const box = filters();
    if (!box) return false;
    if (!box.checkVisibility()) box.closest("details")?.querySelector("summary")?.click();
    setTimeout(() => {
      box.scrollIntoView({ block: "center" });
      box.focus();
    }, 50);
    return true;
  }

  return {
    ask,
    say,
    list: listKeys,
    open: () => [field, overlay].some((one) => one.matches(OPEN)),
    // Does what a key means; false where it means nothing.
    pressed(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return false;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      if (key === "?") listKeys();
      else if (key === "/") return toFilters();
      else if (key === "u" || key === "Backspace") act("undo");
      else if (!chosen()) return false;
      else if (key === "t") ask("tag");
      else if (key === "l") ask("label");
      else if (key === "x") act("exclude");
      else if (keys[key]) act(keys[key].action, keys[key].value);
      else return false;
      return true;
    },
    update(actions) {
      names = actions;
      keys = actions.keys;
      if (actions.done && actions.done.number !== shown) {
        shown = actions.done.number;
        say(actions.done);
      }
    },
    destroy: () => clearTimeout(timer),
  };
}
