// The review card: one suspect, one key, the next suspect at once; decisions go to Python by the outbox.

import { createCommands, writes } from "../commands/commands.js";
import { createOutbox, paintSaving, typingElsewhere } from "../outbox.js";
import { element, mounted } from "../shared.js";

const AHEAD = 4; // suspects whose pictures are fetched beforehand
const EDGE = 3; // so near the end of what is known, more is asked for
const REMEMBERED = 200;
const CARD_KEYS = [
  ["A", "accept the suggestion"], ["K", "keep the label"], ["S", "skip"], ["Z", "undo"], ["Left, Right", "previous and next"],
];
const BACK = { tag: "untag", untag: "tag", relabel: "relabel", exclude: "include" }; // what takes an action back

export default mounted(createCard);

function createCard(parent, first) {
  const root = parent.querySelector(".review");
  const part = (name) => root.querySelector(`.${name}`);
  const [stage, placeText, stateText] = ["stage", "place", "state"].map(part);
  const buttons = Object.fromEntries([...root.querySelectorAll(".do")].map((b) => [b.dataset.do, b]));
  const steps = [...root.querySelectorAll(".step")];
  const outbox = createOutbox(first.scope, first.health, paint);
  const commands = createCommands(root, {
    act, chosen: () => Number(Boolean(current())), back: () => root.focus({ preventScroll: true }), own: CARD_KEYS,
  });
  const known = new Map(); // place in the queue -> suspect
  const pictures = new Map(); // address -> image
  let data = first;
  let queue = "";
  let place = 0;
  let given = []; // what was done here, newest last: { id, place, nonce }, and `back`, what takes an act back
  let shownAt = null; // when the picture on screen could first be seen
  let drawn = null;
  let told = null; // the component, which tells Python what it is asked to
  let asked = { place: -1, turn: 0 };
  let quiet = null;
  let said = "";

  const current = () => known.get(place) ?? null;

  // What a suspect has become: decisions and acts on their way count, in their order.
  function standing(suspect) {
    let { state, tags, excluded } = suspect;
    for (const { id, kind, choice, action, value } of outbox.entries()) {
      if (id !== suspect.id) continue;
      if (kind !== "act") state = kind === "back" ? "" : ["accepted", "kept"][choice];
      else if (action === "relabel") state = value === null ? "" : "accepted";
      else if (action === "tag") tags = [...tags, value];
      else if (action === "untag") tags = tags.filter((tag) => tag !== value);
      else excluded = action === "exclude";
    }
    return { state, tags, excluded };
  }

  // --- moving ----------------------------------------------------------------------------------

  function go(to) {
    place = Math.max(0, Math.min(data.total - 1, to));
    ask();
    draw();
  }

  // Asks Python for more when the end of what is known is near.
  function ask() {
    const wanted = [place, ...Array.from({ length: EDGE }, (_, i) => place + 1 + i), place - 1];
    const missing = wanted.some((at) => at >= 0 && at < data.total && !known.has(at));
    if (!missing || !told || asked.place === place) return;
    asked = { place, turn: asked.turn + 1 };
    told.setStateValue("at", { queue, ...asked });
  }

  function fetchPicture(src) {
    if (pictures.has(src)) return pictures.get(src);
    const image = new Image();
    image.draggable = false;
    const picture = { image, ready: false, broken: false };
    image.onload = async () => {
      await image.decode().catch(() => undefined);
      image.classList.toggle("tiny", image.naturalWidth <= 64 && image.naturalHeight <= 64);
      picture.ready = true;
      if (current()?.src === src) reveal();
    };
    image.onerror = () => {
      picture.broken = true;
      if (current()?.src === src) reveal();
    };
    image.src = src;
    pictures.set(src, picture);
    if (pictures.size > 60) pictures.delete(pictures.keys().next().value);
    return picture;
  }

  function preload() {
    for (let at = place; at <= place + AHEAD; at++) {
      const suspect = known.get(at);
      if (!suspect) continue;
      fetchPicture(suspect.src);
      if (at > place + 1) continue;
      for (const strip of suspect.strips) for (const src of strip.images) new Image().src = src;
    }
  }

  // --- deciding --------------------------------------------------------------------------------

  function decide(choice) {
    const suspect = current();
    if (!suspect) return;
    if (shownAt === null) return say("The picture is not there yet.");
    if (performance.now() - shownAt < data.least_ms) return say("Too quick to have been seen: look again.");
    const state = ["accepted", "kept"][choice];
    if (choice === 0 && !suspect.suggested) return say("No source names another label: keep or skip.");
    if (standing(suspect).state) return say("Decided already: undo first.");
    const ms = Math.round(performance.now() - shownAt);
    const nonce = outbox.put({ kind: "answer", id: suspect.id, task: suspect.task, choice, ms });
    given = [...given, { id: suspect.id, place, nonce }].slice(-REMEMBERED);
    say(state === "kept" ? `Kept ${suspect.given}.` : `${suspect.given} is now ${suspect.suggested}.`);
    if (place + 1 < data.total) go(place + 1);
    else draw();
  }

  // Tags, labels and excludes what is on screen; another label or an exclusion is a decision, and goes on.
  function act(action, value = null) {
    if (action === "undo") return undo();
    const suspect = current();
    if (!suspect) return;
    const { state, tags, excluded } = standing(suspect);
    const label = value === null ? suspect.given : data.actions.classes[value] ?? value;
    const has = tags.includes(value);
    if (action === "relabel" && state) return say("Decided already: undo first.");
    if (action === "relabel" && label === suspect.given) return say("It has this label already.");
    if (action === "tag" && has) return say("It has this tag already.");
    if (action === "untag" && !has) return say("It has no such tag.");
    if (action === "exclude" && excluded) return say("It is excluded already.");
    const back = { action: BACK[action], value: action === "relabel" ? null : value };
    given = [...given, { id: suspect.id, place, nonce: send(suspect.id, action, value), back }].slice(-REMEMBERED);
    const words = { tag: `Tagged ${value}.`, untag: `No longer ${value}.`, exclude: `Excluded image ${suspect.id}.` };
    say(words[action] ?? `${suspect.given} is now ${label}.`);
    if (["relabel", "exclude"].includes(action) && place + 1 < data.total) go(place + 1);
    else paint();
  }

  function send(id, action, value) {
    return outbox.put({ kind: "act", id, action, value });
  }

  function undo() {
    const last = given.pop();
    if (!last) return say("There is nothing to undo here.");
    if (last.back) send(last.id, last.back.action, last.back.value);
    else outbox.put({ kind: "back", id: last.id, of: last.nonce });
    say("Undone: decide again.");
    go(last.place);
  }

  function skip() {
    if (place + 1 < data.total) go(place + 1);
    else say("This is the last one.");
  }

  function say(text) {
    clearTimeout(quiet);
    said = text;
    paint();
    quiet = setTimeout(() => {
      said = "";
      paint();
    }, 4000);
  }

  // --- drawing ---------------------------------------------------------------------------------

  function draw() {
    const suspect = current();
    const print = suspect && JSON.stringify([suspect.id, suspect.src, suspect.rows, suspect.lead]);
    if (print !== drawn) {
      drawn = print;
      shownAt = null;
      stage.querySelectorAll("img").forEach((image) => image.remove());
      root.classList.toggle("empty", !suspect);
      root.dataset.suspect = suspect ? suspect.id : "";
      if (suspect) drawSuspect(suspect);
    }
    preload();
    paint();
  }

  function drawSuspect(suspect) {
    part("lead").textContent = suspect.lead;
    part("facts").textContent = suspect.facts;
    const labels = part("labels");
    labels.replaceChildren();
    element("span", "quiet", labels).textContent = "labelled ";
    element("b", "given", labels).textContent = suspect.given;
    if (suspect.suggested) {
      element("span", "quiet", labels).textContent = " · suggested ";
      element("b", "suggested", labels).textContent = suspect.suggested;
    }
    element("span", "quiet", labels).textContent = ` · ${suspect.name}`;
    buttons.accept.querySelector("span").textContent = suspect.suggested ? `Accept ${suspect.suggested}` : "Accept";
    buttons.keep.querySelector("span").textContent = `Keep ${suspect.given}`;
    drawEvidence(suspect);
    drawStrips(suspect);
    const picture = fetchPicture(suspect.src);
    stage.appendChild(picture.image);
    if (picture.ready || picture.broken) reveal();
  }

  function drawEvidence(suspect) {
    const body = part("evidence").querySelector("tbody");
    body.replaceChildren();
    for (const row of suspect.rows) {
      const line = element("tr", row.doubts ? "doubts" : "", body);
      element("th", "", line).textContent = row.source;
      element("td", "says", line).textContent = row.label;
      element("td", "", line).textContent = row.text;
    }
  }

  function drawStrips(suspect) {
    const near = part("near");
    near.replaceChildren();
    for (const strip of suspect.strips) {
      const box = element("div", "strip", near);
      element("p", "quiet", box).textContent = strip.title;
      const row = element("div", "row", box);
      for (const src of strip.images) {
        const image = element("img", "", row);
        image.alt = "";
        image.draggable = false;
        image.src = src;
      }
    }
  }

  function reveal() {
    const picture = pictures.get(current().src);
    if (!picture) return;
    picture.image.classList.add("on");
    picture.image.alt = `The suspect, image ${current().id}`;
    shownAt = performance.now();
    const at = shownAt;
    setTimeout(() => {
      if (shownAt === at) root.dataset.ready = root.dataset.suspect; // from now on a key decides
    }, data.least_ms);
  }

  function paint() {
    const suspect = current();
    const { state, excluded } = suspect ? standing(suspect) : { state: "", excluded: false };
    placeText.textContent = `${(place + 1).toLocaleString("en")} of ${data.total.toLocaleString("en")}`;
    stateText.textContent = said || ({ accepted: "relabelled", kept: "kept" }[state] ?? (excluded ? "excluded" : ""));
    part("tally").textContent = data.tally;
    root.dataset.state = state;
    root.dataset.place = place;
    paintSaving(root, outbox);
    part("wait").textContent = suspect ? "" : "Fetching …";
    buttons.accept.disabled = !suspect || !suspect.suggested || Boolean(state);
    buttons.keep.disabled = !suspect || Boolean(state);
    buttons.skip.disabled = place + 1 >= data.total;
    buttons.undo.disabled = !given.length;
    steps[0].disabled = place === 0;
    steps[1].disabled = place + 1 >= data.total;
  }

  // --- keys ------------------------------------------------------------------------------------

  const actions = { accept: () => decide(0), keep: () => decide(1), skip, undo };
  const keys = {
    a: actions.accept, k: actions.keep, s: actions.skip, z: actions.undo, u: actions.undo, backspace: actions.undo,
    arrowright: () => go(place + 1), arrowleft: () => go(place - 1),
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typingElsewhere(event, root)) return;
    if (writes(event) || commands.open()) return;
    const action = keys[event.key.toLowerCase()];
    const moves = event.key.startsWith("Arrow");
    if (!action && (event.repeat || !commands.pressed(event))) return;
    if (action && (!event.repeat || moves)) action();
    // Else Streamlit's own one-letter shortcuts would hear it too.
    event.preventDefault();
    event.stopPropagation();
  }

  for (const [name, button] of Object.entries(buttons)) {
    button.onclick = () => {
      actions[name]();
      root.focus({ preventScroll: true });
    };
  }
  for (const step of steps) {
    step.onclick = () => {
      go(place + Number(step.dataset.by));
      root.focus({ preventScroll: true });
    };
  }
  document.addEventListener("keydown", onKey, true);

  return {
    scope: first.scope,
    update(next, component) {
      data = next;
      told = component;
      if (next.queue !== queue) {
        queue = next.queue;
        known.clear();
        given = [];
        place = next.place;
        asked = { place: -1, turn: asked.turn };
      }
      const refused = new Map(next.refused.map((entry) => [entry.nonce, entry.why]));
      const lost = given.find((entry) => refused.has(entry.nonce));
      given = given.filter((entry) => !refused.has(entry.nonce));
      for (const suspect of next.suspects) known.set(suspect.place, suspect);
      outbox.hear(component, next.echo, next.taken);
      commands.update(next.actions);
      if (lost) say(refused.get(lost.nonce));
      asked.place = -1;
      ask();
      draw();
    },
    destroy() {
      document.removeEventListener("keydown", onKey, true);
      clearTimeout(quiet);
      commands.destroy();
      outbox.destroy();
    },
  };
}
