// The viewer of the details: one image, or up to four side by side, to zoom, pan and light; its keys act on them.

import { createCommands, idle, writes } from "../commands/commands.js";
import { CHANGES, needless, withActsDone } from "../grid/pending.js";
import { element, mounted, takenElsewhere } from "../shared.js";
import { createTalk, NOT_SAVED } from "../talk.js";
import { createCamera } from "./camera.js";
import { createLight } from "./light.js";
import { createStage } from "./stage.js";

const TELL_MS = 120; // keys that repeat are told once
const PAN = 0.2; // of a stage, a key
const ZOOM = 1.25;
const FETCHED = [1, 2, -1]; // neighbours whose pictures are fetched beforehand
const DETAILS = ".st-key-details";
const CLOSE = `${DETAILS} .st-key-detail-close button`;
const ABOVE = "[data-testid=stDialog], [data-testid=stPopoverBody]";
const VIEWER_KEYS = [
  ["Left, Right", "previous and next"], ["Shift + arrows", "move a zoomed image"], ["+, −, wheel", "zoom"],
  ["Space", "1:1, and fit again"], ["[ ]", "brightness"], ["{ }", "contrast"], ["< >", "gamma"],
  ["\\", "light as it was"], ["Esc", "close"],
];

export default mounted(createViewer);

// The details that the viewer is a part of: a dialog, whose keys are the viewer's too.
function detailsAround(parent) {
  const panel = parent.getRootNode().host?.closest?.(DETAILS);
  panel?.setAttribute("role", "dialog");
  panel?.setAttribute("aria-label", "Sample");
  return panel;
}

// Escape closes the details, unless something in or above them has a use for it: a list that is open, a popover.
function closeOnEscape() {
  let taken = false;
  const note = (event) => {
    const [target] = event.composedPath();
    taken = target.getAttribute?.("aria-expanded") === "true" || Boolean(document.querySelector(ABOVE));
  };
  const close = (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !taken) document.querySelector(CLOSE)?.click();
  };
  addEventListener("keydown", note, true);
  addEventListener("keydown", close);
  return () => {
    removeEventListener("keydown", note, true);
    removeEventListener("keydown", close);
  };
}

function createViewer(parent) {
  const root = parent.querySelector(".viewer");
  const part = (name) => root.querySelector(`.${name}`);
  const buttons = Object.fromEntries([...root.querySelectorAll("[data-do]")].map((one) => [one.dataset.do, one]));
  const camera = createCamera();
  const light = createLight(part("light"), part("stages"), () => data && paint());
  const talk = createTalk({ lost: refused, changed: () => data && paint() });
  const commands = createCommands(root, { act, chosen: () => 1, back: take, own: VIEWER_KEYS });
  let data = null;
  let stages = [];
  let active = 0; // of several side by side
  let place = null; // in the order of the view
  let ahead = null; // the image that Python has yet to hear of
  let telling = null;

  const panel = detailsAround(parent);

  const current = () => stages[active];
  const several = () => stages.length > 1;

  // --- which image -----------------------------------------------------------------------------

  function step(by) {
    if (several()) activate((active + by + stages.length) % stages.length);
    else {
      const to = stepped(by);
      const id = nearby(to);
      if (id === undefined) return;
      place = to;
      current().show({ ...addressed(id), alt: `Image ${id}` });
      camera.fit();
      tell(id);
    }
    paint();
  }

  // The place before or behind the image, or behind the gap that it left.
  function stepped(by) {
    return place === null && data.near.next !== null ? data.near.next + Math.min(by, 0) : place + by;
  }

  function nearby(at) {
    return place === null && data.near.next === null ? undefined : data.near.ids[at - data.near.first];
  }

  function addressed(id) {
    const [src, whole] = [data.src, data.whole].map((pattern) => pattern.replace("{id}", id));
    return { id, src, whole };
  }

  function activate(number) {
    if (number === active) return;
    active = number;
    tell(current().id);
    paint();
  }

  function tell(id) {
    ahead = id;
    clearTimeout(telling);
    telling = setTimeout(() => talk.tell("shown", id), TELL_MS);
  }

  // The grid marks the image that is shown here.
  function announce() {
    dispatchEvent(new CustomEvent("avhcurate-shown", { detail: { view: data.near.view, place } }));
  }

  function fetchAhead() {
    if (several()) return;
    for (const by of FETCHED) {
      const id = nearby(stepped(by));
      if (id !== undefined) new Image().src = addressed(id).src;
    }
  }

  // The decisions show at once here, and on the tile.
  function act(action, value = null) {
    const { id } = current();
    const why = action in CHANGES && known(id) ? needless(shownRow(id), action, value, data.actions.classes) : "";
    if (why) return commands.say({ text: why });
    talk.act({ id, action, value }, { ids: new Set([id]) });
    if (ahead !== null) tell(ahead);
    paint();
  }

  const known = (id) => data.images.find((one) => one.id === id);

  // An image with what is on its way done; one that Python has yet to tell of has nothing but that.
  function shownRow(id) {
    return withActsDone(known(id) ?? { id, title: "", given: "", path: "", badges: [], muted: false }, talk.onImages(), data.actions.classes);
  }

  function refused() {
    commands.say({ text: NOT_SAVED });
    paint();
  }

  function take() {
    root.focus({ preventScroll: true });
  }

  // --- drawing ---------------------------------------------------------------------------------

  function paint() {
    for (const [number, stage] of stages.entries()) {
      stage.place();
      stage.root.classList.toggle("active", several() && number === active);
      stage.say(shownRow(stage.id));
    }
    paintDecided(shownRow(current().id));
    root.ariaLabel = data.label;
    root.dataset.count = stages.length;
    root.dataset.id = current().id;
    for (const [button, by] of [[buttons.previous, -1], [buttons.next, 1]]) {
      button.disabled = !several() && nearby(stepped(by)) === undefined;
    }
    buttons.light.classList.toggle("changed", light.changed());
    const number = (value) => value.toLocaleString("en");
    part("place").textContent = several()
      ? `${active + 1} of ${stages.length} side by side`
      : place === null ? "" : `${number(place + 1)} of ${number(data.near.count)}`;
    part("scale").textContent = `${Math.round(camera.percent(current().picture()))} %`;
    buttons.fit.setAttribute("aria-pressed", String(camera.mode() === "fit"));
    buttons.one.setAttribute("aria-pressed", String(camera.mode() === "one"));
    buttons.alone.hidden = !several();
    announce();
  }

  function paintDecided(row) {
    buttons.label.querySelector("span").textContent = row.title;
    buttons.restore.hidden = row.title === row.given;
    buttons.exclude.ariaChecked = String(row.muted);
    const tags = row.badges.filter((tag) => !(row.muted && tag === "excluded"));
    if (part("tags").dataset.of !== tags.join()) {
      part("tags").dataset.of = tags.join();
      part("tags").replaceChildren(...tags.map(drawTag));
    }
    part("decided").title = data.closed;
    for (const button of part("decided").querySelectorAll("button")) button.disabled = Boolean(data.closed);
  }

  function drawTag(tag) {
    const button = element("button", "");
    button.textContent = `${tag} ×`;
    button.title = "Remove this tag";
    button.onclick = () => act("untag", tag);
    return button;
  }

  function drawStages(images) {
    for (const stage of stages.splice(images.length)) stage.root.remove();
    while (stages.length < images.length) {
      stages.push(createStage(part("stages"), {
        camera,
        turned: (factor, at, stage) => repaint(() => camera.zoomBy(factor, stage.picture(), at)),
        dragged: (across, down, stage) => repaint(() => camera.panBy(across, down, stage.picture())),
        taken: (stage) => activate(stages.indexOf(stage)),
        changed: () => data && paint(),
      }));
    }
    for (const [number, stage] of stages.entries()) stage.show(images[number]);
  }

  function repaint(change) {
    change();
    paint();
  }

  // --- what buttons and keys do ------------------------------------------------------------------

  function pan(across, down) {
    const picture = current().picture();
    camera.panBy(-across * PAN * picture.across, -down * PAN * picture.down, picture);
  }

  function toggleLight() {
    const form = part("light");
    form.hidden = !form.hidden;
    buttons.light.setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) form.elements.brightness.focus();
  }

  const does = {
    previous: () => step(-1),
    next: () => step(1),
    in: () => camera.zoomBy(ZOOM, current().picture()),
    out: () => camera.zoomBy(1 / ZOOM, current().picture()),
    fit: () => camera.fit(),
    one: () => camera.one(),
    light: toggleLight,
    alone: () => talk.tell("alone", current().id),
    keys: () => commands.list(),
    label: () => commands.ask("label"),
    tag: () => commands.ask("tag"),
    restore: () => act("relabel"),
    exclude: () => act(shownRow(current().id).muted ? "include" : "exclude"),
  };
  for (const [name, button] of Object.entries(buttons)) button.onclick = () => repaint(does[name]);

  const keys = {
    ArrowLeft: does.previous, ArrowRight: does.next, "+": does.in, "=": does.in, "-": does.out,
    " ": () => (camera.mode() === "one" ? camera.fit() : camera.one()),
  };
  const panning = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function pressed(event) {
    if (writes(event)) return;
    const [target] = event.composedPath();
    const onButton = target.closest?.("button, summary, [role=button], [role=tab]");
    if (onButton && [" ", "Enter"].includes(event.key)) return;
    const composed = event.getModifierState("AltGraph");
    const command = !composed && (event.ctrlKey || event.metaKey || event.altKey);
    if (event.shiftKey && event.key in panning && !command) repaint(() => pan(...panning[event.key]));
    else if (!command && !event.shiftKey && event.key in keys) repaint(keys[event.key]);
    else if (!command && event.key === "+") repaint(does.in);
    else if (!command && light.pressed(event.key)) paint();
    else if (!commands.pressed(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }
  root.addEventListener("keydown", pressed);

  // Keys that nothing else around the viewer has a use for are its too.
  function pressedBeside(event) {
    const target = event.target;
    if (event.defaultPrevented || root.contains(event.composedPath()[0])) return;
    const mine = panel?.contains(target) && !target.shadowRoot && !takenElsewhere(event, root);
    if (data && (mine || idle(event))) pressed(event);
  }
  addEventListener("keydown", pressedBeside);
  const unlisten = closeOnEscape();

  const resize = new ResizeObserver(() => data && root.clientWidth && paint());
  resize.observe(part("stages"));

  return {
    update(next, component) {
      const first = data === null;
      talk.hear(component, next.actions.handled);
      data = next;
      const wanted = next.images[next.active].id;
      const lags = ahead !== null && wanted !== ahead;
      if (!lags) {
        const other = current()?.id !== wanted;
        ahead = null;
        active = next.active;
        place = next.near.place;
        if (stages.length !== next.images.length) camera.fit();
        drawStages(next.images);
        if (other && !first) camera.fit();
        if (first || other) take();
      }
      paint();
      fetchAhead();
      commands.update(next.actions);
    },
    destroy() {
      removeEventListener("keydown", pressedBeside);
      unlisten();
      talk.destroy();
      clearTimeout(telling);
      resize.disconnect();
      commands.destroy();
    },
  };
}
