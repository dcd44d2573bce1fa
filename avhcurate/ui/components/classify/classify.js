// The classify card: one image, one key, the next image at once; what was answered goes to Python by the outbox.

import { createOutbox, paintSaving, typingElsewhere } from "../outbox.js";
import { element, mounted } from "../shared.js";

const PRELOADED = 8;
const REMEMBERED = 50;
const RECENT = 6;

export default mounted(createCard);

function createCard(parent, first) {
  const root = parent.querySelector(".card");
  const part = (name) => root.querySelector(`.${name}`);
  const [stage, choices, status, count, bar] = ["stage", "choices", "status", "count", "bar"].map(part);
  const [undo, skipping] = ["undo", "skip"].map(part);
  const outbox = createOutbox(first.scope, first.health, paint);
  const pictures = new Map(); // id of a sample -> its image
  let data = first;
  let listed = []; // items { id, task, src } that Python offers, in its order
  let returned = []; // items taken back here: they come before anything else
  let given = []; // what was answered here, newest last: { item, nonce, choice }
  let current = null;
  let shownAt = null; // when the image on screen could first be seen
  let ready = false; // it was seen for as long as an answer takes
  let quiet = null;
  let heard = "";
  let answered = 0;

  // --- which image -----------------------------------------------------------------------------

  // Samples with an answer on its way; the last word counts, since an answer may be retracted and given again.
  function pending() {
    const waiting = new Set();
    for (const entry of outbox.entries()) {
      if (entry.kind === "back") waiting.delete(entry.id);
      else waiting.add(entry.id);
    }
    return waiting;
  }

  // What can be shown now. A sample taken back is in Python's list again under a new task, which then is the one.
  function buffer() {
    const waiting = pending();
    const offered = new Map(listed.map((item) => [item.id, item]));
    const items = new Map();
    for (const item of [...returned, ...listed]) {
      if (!waiting.has(item.id)) items.set(item.id, offered.get(item.id) ?? item);
    }
    return [...items.values()];
  }

  function advance() {
    const items = buffer();
    const stays = current && items.find((item) => item.id === current.id);
    const next = stays ?? items[0] ?? null;
    preload(items);
    if (next?.id !== current?.id) show(next);
    else current = next;
    paint();
  }

  function preload(items) {
    const wanted = items.slice(0, PRELOADED);
    if (current) wanted.push(current);
    if (given.length) wanted.push(given[given.length - 1].item);
    const ids = new Set(wanted.map((item) => item.id));
    for (const item of wanted) if (!pictures.has(item.id)) pictures.set(item.id, load(item));
    for (const [id, picture] of pictures) {
      if (ids.has(id)) continue;
      picture.image.remove();
      pictures.delete(id);
    }
  }

  function load(item) {
    const image = element("img", "", stage);
    image.alt = "";
    image.draggable = false;
    const picture = { image, ready: false };
    image.onload = async () => {
      await image.decode().catch(() => undefined);
      image.classList.toggle("tiny", image.naturalWidth <= 64 && image.naturalHeight <= 64);
      picture.ready = true;
      if (current?.id === item.id) reveal();
    };
    image.onerror = () => {
      if (current?.id === item.id) skip(item);
      else picture.broken = true;
    };
    image.src = item.src;
    return picture;
  }

  function show(item) {
    for (const picture of pictures.values()) picture.image.classList.remove("on");
    current = item;
    shownAt = null;
    ready = false;
    root.dataset.item = item ? item.id : "";
    root.dataset.task = item ? item.task : "";
    if (!item) return;
    if (!pictures.has(item.id)) pictures.set(item.id, load(item));
    const picture = pictures.get(item.id);
    if (picture.broken) skip(item);
    else if (picture.ready) reveal();
  }

  function reveal() {
    const picture = pictures.get(current.id);
    picture.image.classList.add("on");
    picture.image.alt = "The image to classify";
    const at = shownAt = performance.now();
    setTimeout(() => {
      ready = shownAt === at;
      if (ready) paint();
    }, data.least_ms);
  }

  // A picture that cannot be drawn cannot be judged.
  function skip(item) {
    returned = returned.filter((other) => other.id !== item.id);
    outbox.put({ kind: "broken", id: item.id, task: item.task });
    advance();
  }

  // --- answers -----------------------------------------------------------------------------------

  // A choice of null: one cannot tell.
  function answer(choice) {
    if (!current || choice < 0 || choice >= data.classes.length || (choice === null && !data.skip)) return;
    const ms = performance.now() - shownAt;
    if (shownAt === null) return ignore(choice, "Not counted: the image is not there yet.");
    if (ms < data.least_ms) return ignore(choice, "Not counted: too quick to have been seen. Look again.");
    const item = current;
    returned = returned.filter((other) => other.id !== item.id);
    const said = choice === null ? { kind: "skip" } : { kind: "answer", choice };
    const nonce = outbox.put({ ...said, id: item.id, task: item.task, ms: Math.round(ms) });
    given = [...given, { item, nonce, choice }].slice(-REMEMBERED);
    answered += 1;
    root.dataset.answered = answered;
    if (choice !== null) {
      flash(choice, "hit");
      remember(choice);
    }
    say("");
    advance();
  }

  function ignore(choice, why) {
    flash(choice, "ignored");
    say(why);
    status.classList.add("warns");
  }

  function takeBack() {
    const last = given.pop();
    if (!last) return say("There is no answer to take back here.");
    outbox.put({ kind: "back", id: last.item.id, of: last.nonce });
    returned = [last.item, ...returned];
    answered -= 1;
    root.dataset.answered = answered;
    current = null;
    say(`Taken back: ${textOf(last.choice)}. Choose again.`);
    advance();
    focusSearch();
  }

  function say(text) {
    clearTimeout(quiet);
    status.classList.remove("warns");
    status.textContent = text;
    if (text) quiet = setTimeout(paintStatus, 4000);
    else paintStatus();
  }

  function paintStatus() {
    const last = given[given.length - 1];
    status.classList.remove("warns");
    status.textContent = last ? `Last: ${textOf(last.choice)}` : "";
  }

  function textOf(choice) {
    return choice === null ? "cannot tell" : data.classes[choice] ?? "";
  }

  // --- choices: a button a class, or a search among many --------------------------------------------

  let buttons = [];
  let search = null;
  let options = null;
  let recent = null;
  let matching = [];
  let highlighted = 0;
  let recently = [];
  let drawn = "";

  function drawChoices() {
    const print = JSON.stringify([data.classes, data.keys, data.about]);
    if (print === drawn) return;
    drawn = print;
    choices.replaceChildren();
    const many = !data.keys.length;
    choices.className = many ? "choices searching" : "choices";
    buttons = [];
    search = options = recent = null;
    if (many) drawSearch();
    else drawButtons();
  }

  function drawButtons() {
    data.classes.forEach((name, index) => {
      const [key, about] = [data.keys[index], data.about[index]];
      const button = element("button", "choice", choices);
      button.type = "button";
      element("kbd", "", button).textContent = key.toUpperCase();
      if (key !== name.toLowerCase()) element("span", "name", button).textContent = name;
      button.setAttribute("aria-label", name);
      if (about) button.title = about;
      button.setAttribute("aria-keyshortcuts", key);
      button.onclick = () => {
        answer(index);
        root.focus({ preventScroll: true });
      };
      buttons.push(button);
    });
  }

  function drawSearch() {
    search = element("input", "search", choices);
    search.type = "text";
    search.placeholder = `Type to search ${data.classes.length.toLocaleString("en")} classes`;
    search.autocomplete = "off";
    search.spellcheck = false;
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-expanded": "true", "aria-controls": "options", "aria-autocomplete": "list",
      "aria-label": "Class",
    })) search.setAttribute(name, value);
    recent = element("div", "recent", choices);
    options = element("div", "options", choices);
    options.id = "options";
    options.setAttribute("role", "listbox");
    options.setAttribute("aria-label", "Classes");
    search.oninput = () => {
      highlighted = 0;
      drawOptions();
    };
    search.onkeydown = onSearchKey;
    drawOptions();
    drawRecent();
    focusSearch();
  }

  // Names that begin with the text, then those with a word that does, then those that hold it.
  function rank(name, text) {
    const low = name.toLowerCase();
    if (low.startsWith(text)) return 0;
    if (low.split(/[\s,_-]+/).some((word) => word.startsWith(text))) return 1;
    return low.includes(text) ? 2 : 3;
  }

  function drawOptions() {
    const text = search.value.trim().toLowerCase();
    const ranked = data.classes.map((name, index) => [rank(name, text), index]);
    matching = ranked.filter(([place]) => place < 3).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, i]) => i);
    options.replaceChildren();
    for (const index of matching.slice(0, 100)) {
      const option = element("div", "option", options);
      option.setAttribute("role", "option");
      option.id = `option-${index}`;
      element("span", "name", option).textContent = data.classes[index];
      if (data.about[index]) element("span", "about", option).textContent = data.about[index];
      option.onmousedown = (event) => event.preventDefault(); // the focus stays where one types
      option.onclick = () => choose(index);
    }
    if (!matching.length) element("p", "nothing", options).textContent = "No class of that name.";
    highlight(highlighted);
  }

  function highlight(place) {
    const all = [...options.querySelectorAll(".option")];
    highlighted = Math.max(0, Math.min(place, all.length - 1));
    all.forEach((option, index) => option.setAttribute("aria-selected", String(index === highlighted)));
    const chosen = all[highlighted];
    search.setAttribute("aria-activedescendant", chosen?.id ?? "");
    if (!chosen) return;
    const [top, bottom] = [chosen.offsetTop, chosen.offsetTop + chosen.offsetHeight];
    if (top < options.scrollTop) options.scrollTop = top;
    if (bottom > options.scrollTop + options.clientHeight) options.scrollTop = bottom - options.clientHeight;
  }

  function choose(index) {
    if (index === undefined) return;
    const before = current?.id;
    answer(index);
    if (current?.id === before) return;
    search.value = "";
    highlighted = 0;
    drawOptions();
    focusSearch();
  }

  function remember(choice) {
    if (!recent) return;
    recently = [choice, ...recently.filter((other) => other !== choice)].slice(0, RECENT);
    drawRecent();
  }

  function drawRecent() {
    recent.replaceChildren();
    recently.forEach((index) => {
      const chip = element("button", "chip", recent);
      chip.type = "button";
      chip.textContent = data.classes[index];
      chip.onmousedown = (event) => event.preventDefault();
      chip.onclick = () => choose(index);
    });
  }

  function focusSearch() {
    search?.focus({ preventScroll: true });
  }

  function flash(choice, how) {
    const button = buttons[choice] ?? choices;
    button.classList.remove("hit", "ignored");
    void button.offsetWidth; // starts the animation again
    button.classList.add(how);
  }

  // --- keys ----------------------------------------------------------------------------------------

  function onSearchKey(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 6, PageUp: -6 };
    if (event.key in moves) highlight(highlighted + moves[event.key]);
    else if (event.key === "Enter" && !event.repeat) choose(matching[highlighted]);
    else if (event.key === "Escape" && search.value) {
      search.value = "";
      highlighted = 0;
      drawOptions();
    } else if (event.key === "Backspace" && !search.value && !event.repeat) takeBack();
    else if (event.key === "?" && !search.value && !event.repeat && data.skip) answer(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typingElsewhere(event, root)) return;
    if (search) {
      if (event.key === "Backspace" && !event.repeat && parent.activeElement !== search) takeBack();
      else return;
    } else if (event.key === "Backspace") {
      if (!event.repeat) takeBack();
    } else if (event.key === "?" && data.skip) {
      if (!event.repeat) answer(null);
    } else {
      const choice = data.keys.indexOf(event.key.toLowerCase());
      if (choice < 0) return;
      if (!event.repeat) answer(choice);
    }
    // Else Streamlit's own one-letter shortcuts would hear it too.
    event.preventDefault();
    event.stopPropagation();
  }

  // --- drawing ---------------------------------------------------------------------------------------

  function paint() {
    const waiting = outbox.entries().filter((entry) => ["answer", "skip"].includes(entry.kind)).length;
    const taken = outbox.entries().filter((entry) => entry.kind === "back").length;
    const done = Math.max(0, data.done + waiting - taken);
    count.textContent = data.goal
      ? `${done.toLocaleString("en")} of ${data.goal.toLocaleString("en")} answered`
      : `${done.toLocaleString("en")} answered`;
    if (data.apart) count.textContent += ` · ${data.apart}`;
    bar.hidden = !data.goal;
    bar.max = data.goal || 1;
    bar.value = Math.min(done, data.goal || 1);
    paintSaving(root, outbox);
    undo.disabled = !given.length;
    skipping.hidden = !data.skip;
    const empty = !current;
    root.classList.toggle("empty", empty);
    part("wait").textContent = !empty ? "" : data.finished && !outbox.size() ? "That was all. Thank you." : "Fetching the next image …";
    root.classList.toggle("waiting", !ready);
    for (const button of [skipping, ...buttons]) button.setAttribute("aria-disabled", String(!ready));
  }

  skipping.onclick = () => {
    answer(null);
    root.focus({ preventScroll: true });
  };
  undo.onclick = () => {
    takeBack();
    root.focus({ preventScroll: true });
  };
  document.addEventListener("keydown", onKey, true);
  root.dataset.answered = 0;
  root.dataset.scope = first.scope;

  return {
    scope: first.scope,
    update(next, component) {
      const before = data;
      data = next;
      // Refused answers are unanswered again: their images come back with the list.
      const refused = new Set(next.refused.map((entry) => entry.nonce));
      const known = given.length;
      given = given.filter((entry) => !refused.has(entry.nonce));
      answered -= known - given.length;
      root.dataset.answered = answered;
      outbox.hear(component, next.echo, next.taken);
      returned = returned.filter((item) => comingBack(item.id));
      listed = next.items;
      drawChoices();
      advance();
      if (next.refused.length && next.echo !== heard) say(next.refused[next.refused.length - 1].why);
      else if (before === next) paintStatus();
      heard = next.echo;
      if (before === next && !search && !document.querySelector("[role=dialog]")) root.focus({ preventScroll: true });
    },
    destroy() {
      document.removeEventListener("keydown", onKey, true);
      clearTimeout(quiet);
      outbox.destroy();
      for (const picture of pictures.values()) picture.image.remove();
    },
  };

  function comingBack(id) {
    return outbox.entries().some((entry) => entry.kind === "back" && entry.id === id);
  }
}
