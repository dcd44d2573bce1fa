// The image grid: draws the rows in sight, owns selection and keyboard focus, and tells Python only what it needs.

import { createCommands, idle, writes } from "../commands/commands.js";
import { LINKED, link, mounted, placesIn } from "../shared.js";
import { createTalk, NOT_SAVED } from "../talk.js";
import { createBar } from "./bar.js";
import { createBox } from "./box.js";
import { createDetails } from "./details.js";
import { createFocus } from "./focus.js";
import { GRID_KEYS, STEPS, turnPage } from "./keys.js";
import { GAP, gridLayout, tileSizes, wordsOf } from "./layout.js";
import { createLines } from "./lines.js";
import { createLook } from "./look.js";
import { CHANGES, needless, withActsDone } from "./pending.js";
import { rangesHas, rangesUnion, rangesWithout } from "./ranges.js";
import { createRows } from "./rows.js";
import { createScroller } from "./scroller.js";
import { createSelection } from "./selection.js";

const AHEAD = 1.5; // windows drawn beyond the one in sight, in the direction of travel
const BEHIND = 0.5;
const REST_AFTER_FLIGHT_MS = 60;
const LOOK_MS = 30; // between two looks at whether all pictures in sight have come
const LONGEST_LANDING_MS = 2000;
const JUMP = 1.5; // windows
const LEAST_HEIGHT = 320;
const SHARE = 0.62; // of the window's height, at most, for a grid that is one of several

export default mounted(createGrid);

function createGrid(parent) {
  const part = (name) => parent.querySelector(`.${name}`);
  const [root, head, placeText, jump, pane, node, board, hint] =
    ["image-grid", "head", "place", "jump", "pane", "scroller", "board", "hint"].map(part);
  const commands = createCommands(pane, {
    act, chosen: () => selection.count() || Number(data?.count > 0), back, own: GRID_KEYS,
  });
  const selection = createSelection(() => {
    paintSelection();
    countSelected();
    tellLinked();
  });
  const bar = createBar(part("bar"), { press, all: () => selection.set(everything()), none: () => selection.set([]) });
  const talk = createTalk({ lost: refused, changed: draw });
  const rows = createRows(changed, () => talk.tell("lost", data.view));
  const scroller = createScroller(node, part("sizer"), board, moved);
  const lines = createLines(board, { layout: () => layout, base: scroller.base, rowAt: shownRow });
  const focus = createFocus(node, lines, { at: rows.at, find: rows.find, hasFocus });
  const box = createBox(node, part("box"), scroller, {
    wanted: () => data.selectable,
    begins: (keep) => (before = keep ? selection.ranges() : []),
    covered: (from, to) => selection.set(rangesUnion(before, layout.covered(from, to))),
  });
  const details = createDetails({
    view: () => data?.view,
    changed: (place) => {
      if (place !== null) show(place);
      paintSelection();
    },
    focus: (place) => moveFocus(place, false),
    hasFocus,
  });
  const look = createLook(root, part("look"), {
    resized(to) {
      size = to;
      layOut();
    },
    kept: (to) => to !== data.size && talk.tell("size", to),
  });
  let data = null;
  let size = 0; // of a tile, which the slider changes before Python has heard of it
  let layout = gridLayout(0, { columns: 1, width: 1, rowHeight: 1 }, []);
  let laidOut = ""; // the sizes that the layout was made for
  let travel = 1;
  let before = [];
  let anchor = null;
  let goal = null; // the place to begin at, once the rows are laid out
  let landing = null;
  let arranging = 0;
  let pointed = null; // the place under the pointer, or with the focus

  // --- what Python hears -------------------------------------------------------------------

  function open(place) {
    const row = rows.at(place);
    if (!row) return;
    details.opened(place);
    paintSelection();
    talk.tell("opened", row.id);
  }

  // Acts on the selection, or on the image that has the focus, which then goes on: `alone`, on the selection alone.
  // The tiles show it at once.
  async function act(action, value = null, alone = false) {
    await selection.settled();
    const here = !alone && !selection.ranges().length && data.count > 0;
    const ranges = here ? [[focus.place(), focus.place() + 1]] : selection.ranges();
    const row = here && action in CHANGES ? shownRow(focus.place()) : null;
    const why = row && needless(row, action, value, names());
    if (why) commands.say({ text: why });
    else {
      const one = row ? { id: row.id } : {};
      const ids = row ? new Set([row.id]) : rows.idsIn(ranges);
      talk.act({ view: data.view, ranges, action, value, ...one }, { ids });
      draw();
    }
    if (row) moveFocus(focus.place() + 1, false);
  }

  // A row with what is on its way done.
  function shownRow(place) {
    const row = rows.at(place);
    return row && withActsDone(row, talk.onImages(), names());
  }

  function names() {
    return data.actions?.classes ?? [];
  }

  function refused() {
    commands.say({ text: NOT_SAVED });
    draw();
  }

  // A button of the bar: some ask for a name first, others are about the selection alone.
  function press({ name, asks, always }) {
    if (asks) return commands.ask(asks);
    act(name, null, true);
    if (!always) back();
  }

  function back() {
    moveFocus(focus.place(), false);
  }

  // --- selection ---------------------------------------------------------------------------

  function paintSelection() {
    const selected = selection.ranges();
    for (const tile of lines.tiles()) {
      tile.root.setAttribute("aria-selected", String(rangesHas(selected, tile.place)));
      tile.root.ariaCurrent = tile.place === details.place() ? "true" : null;
    }
    root.classList.toggle("choosing", selected.length > 0);
  }

  function countSelected() {
    bar.update(data.actions?.bar ?? [], selection.count(), data.count);
  }

  // --- a chart beside it ---------------------------------------------------------------------

  function tellLinked() {
    if (data.selectable) link({ by: "grid", view: data.view, ranges: selection.ranges(), place: pointed });
  }

  function point(place) {
    if (place === pointed) return;
    pointed = place;
    tellLinked();
  }

  async function hearLinked({ detail: { by, view, place } }) {
    if (!by && data) tellLinked();
    if (by !== "chart" || !data.selectable) return;
    const [[to] = []] = await placesIn(data.source, view, [[place, place + 1]]);
    if (to !== undefined) moveFocus(to, false);
  }
  addEventListener(LINKED, hearLinked);

  function everything() {
    return data.count ? [[0, data.count]] : [];
  }

  function toggle(place) {
    const selected = selection.ranges();
    anchor = place;
    const had = rangesHas(selected, place);
    selection.set(had ? rangesWithout(selected, place, place + 1) : rangesUnion(selected, [[place, place + 1]]));
  }

  function selectTo(place, keep) {
    const from = anchor ?? focus.place();
    const span = [[Math.min(from, place), Math.max(from, place) + 1]];
    selection.set(keep ? rangesUnion(selection.ranges(), span) : span);
  }

  // --- focus -----------------------------------------------------------------------------------

  function show(place) {
    const row = layout.rowOf(place);
    const [top, bottom] = [layout.top(row), layout.bottom(row)];
    if (top < scroller.offset()) scroller.to(top);
    else if (bottom > scroller.offset() + scroller.window()) scroller.to(bottom - scroller.window());
  }

  function moveFocus(place, extend) {
    if (!data.count) return;
    const to = Math.max(0, Math.min(data.count - 1, place));
    if (extend) {
      anchor ??= focus.place();
      selectTo(to, false);
    }
    show(to);
    focus.set(to);
    const tile = lines.tileAt(to)?.root;
    tile?.focus({ preventScroll: true });
    if (!scroller.most()) tile?.scrollIntoView({ block: "nearest" });
  }

  function hasFocus() {
    return root.contains(parent.activeElement ?? document.activeElement);
  }

  // --- layout: rows of as many columns as fit ------------------------------------------------

  function layOut() {
    if (!data || !root.clientWidth) return;
    const words = wordsOf(data);
    for (const name of ["single", "bare"]) root.classList.toggle(name, words[name]);
    const kept = layout.rows ? layout.first(layout.rowAt(scroller.offset())) : 0;
    const sizes = tileSizes(board, size, words.bare);
    const hadFocus = board.contains(parent.activeElement);
    const print = JSON.stringify([data.view, data.count, sizes]);
    if (print !== laidOut) {
      const again = laidOut !== "";
      laidOut = print;
      lines.clear();
      layout = gridLayout(data.count, sizes, remote() ? [] : data.tiles.map((row) => row.group));
      board.setAttribute("aria-colcount", sizes.columns);
      board.setAttribute("aria-rowcount", layout.rows);
      fit();
      if (again && layout.rows) scroller.to(layout.top(layout.rowOf(Math.min(kept, data.count - 1))));
    } else fit();
    if (goal !== null && layout.rows) {
      focus.begin(Math.min(goal, data.count - 1));
      goal = null;
      scroller.to(layout.top(layout.rowOf(focus.place())));
    }
    draw();
    if (hadFocus && !board.contains(parent.activeElement)) lines.tileAt(focus.place())?.root.focus({ preventScroll: true });
  }

  // Most rows do not come with the page.
  function remote() {
    return data.count > data.tiles.length;
  }

  // As high as its rows, or as the window leaves room for.
  function fit() {
    const main = document.querySelector("[data-testid=stMain]");
    let most = Math.max(LEAST_HEIGHT, SHARE * innerHeight);
    if (data.height === "all") most = Infinity;
    else if (data.height === "window" && main) {
      const above = pane.getBoundingClientRect().top - main.getBoundingClientRect().top + main.scrollTop;
      const below = root.getBoundingClientRect().bottom - pane.getBoundingClientRect().bottom;
      most = Math.max(LEAST_HEIGHT, main.clientHeight - above - below - GAP);
    }
    node.style.height = `${Math.ceil(Math.min(layout.height + 6, most))}px`;
    scroller.resize(layout.height + 6);
    head.hidden = data.height === "all" || !(scroller.most() || data.selectable);
    placeText.hidden = jump.hidden = !scroller.most();
  }

  // --- drawing --------------------------------------------------------------------------------

  function moved(by, flying) {
    if (by) travel = Math.sign(by);
    clearTimeout(landing);
    landing = null;
    if (Math.abs(by) > JUMP * scroller.window()) land(flying ? REST_AFTER_FLIGHT_MS : LOOK_MS);
    draw(!flying);
  }

  // After a jump the rows in sight come first, and their neighbours when all their pictures are there.
  function land(rest, until = performance.now() + LONGEST_LANDING_MS) {
    landing = setTimeout(() => {
      landing = null;
      if (!lines.arrived() && performance.now() < until) land(LOOK_MS, until);
      draw();
    }, rest);
  }

  function changed() {
    draw();
    focus.follow(data.count);
  }

  function draw(pictures = true) {
    if (!data || !layout.rows) return lines.clear();
    const alone = landing !== null;
    const [top, seen] = [scroller.offset(), scroller.window()];
    if (top <= 0) travel = 1;
    else if (top >= scroller.most()) travel = -1;
    const [less, more] = alone ? [0, 0] : travel < 0 ? [AHEAD, BEHIND] : [BEHIND, AHEAD];
    const [from, to] = [layout.rowAt(top - less * seen), layout.rowAt(top + seen + more * seen)];
    const insight = [layout.first(layout.rowAt(top)), layout.end(layout.rowAt(top + seen - 1))];
    const drawn = [layout.first(from), layout.end(to)];
    if (pictures) rows.want(travel < 0 ? [insight, drawn] : [insight, drawn, [drawn[1], drawn[1] + 1]]);
    const hadFocus = hasFocus();
    lines.draw(from, to, pictures);
    if (hadFocus && !hasFocus()) node.focus({ preventScroll: true });
    focus.paint();
    paintSelection();
    const [first, last, count] = [insight[0] + 1, insight[1], data.count].map((number) => number.toLocaleString("en"));
    placeText.textContent = rows.failing() ? "The images do not come: trying again" : `${first}–${last} of ${count}`;
  }

  // --- events --------------------------------------------------------------------------------

  function placeOf(event) {
    const tile = event.target.closest?.(".tile");
    return tile ? Number(tile.dataset.place) : null;
  }

  board.onclick = (event) => {
    const place = placeOf(event);
    if (place === null || box.ended()) return;
    const command = event.ctrlKey || event.metaKey;
    const extends_ = data.selectable && event.shiftKey;
    const from = focus.place();
    focus.set(place);
    lines.tileAt(place)?.root.focus({ preventScroll: true });
    if (extends_) {
      anchor ??= from;
      selectTo(place, command);
    } else if (data.selectable && (command || event.target.classList.contains("check"))) toggle(place);
    else open(place);
  };

  node.onkeydown = pressed;

  // Keys that nothing else has the focus for are the grid's too, or the viewer's while details are open.
  function pressedBeside(event) {
    if (idle(event) && data.actions && !data.open && !document.querySelector("[role=dialog]")) pressed(event);
  }
  addEventListener("keydown", pressedBeside);

  function pressed(event) {
    if (writes(event)) return;
    const command = event.ctrlKey || event.metaKey;
    const here = focus.place();
    if (event.key in STEPS && !event.altKey) {
      const to = STEPS[event.key](here, layout, scroller);
      if (event.key.startsWith("Page")) turnPage(event.key === "PageDown" ? 1 : -1, layout, scroller);
      moveFocus(to, event.shiftKey && data.selectable);
    } else if (event.key === "Enter") event.shiftKey && data.actions ? act("compare") : open(here);
    else if (event.key === " " && data.selectable) toggle(here);
    else if (event.key === " ") open(here);
    else if (command && event.key.toLowerCase() === "a" && data.selectable) selection.set(everything());
    else if (event.key === "Escape" && selection.ranges().length) selection.set([]);
    else if (!data.actions || !commands.pressed(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  jump.onsubmit = (event) => {
    event.preventDefault();
    const text = jump.elements.to.value.replaceAll(",", "").trim();
    const row = Number(text);
    if (!text || Number.isNaN(row)) return;
    const to = Math.max(0, Math.min(data.count - 1, Math.round(row) - 1));
    scroller.to(layout.top(layout.rowOf(to)));
    moveFocus(to, false);
  };

  // A screen reader moves the focus without keys.
  board.addEventListener("focusin", (event) => {
    const place = placeOf(event);
    if (place !== null && place !== focus.place()) focus.set(place);
    point(place);
  });
  board.onpointerover = (event) => point(placeOf(event));
  board.onpointerleave = () => point(null);

  // What lies above a grid may grow or go without the grid: the page is watched as well. The frame in which that happens
  // shows it, a filter's chip for one, before the grid is laid out anew.
  const resize = new ResizeObserver(() => {
    cancelAnimationFrame(arranging);
    arranging = requestAnimationFrame(layOut);
  });
  resize.observe(root);
  const block = document.querySelector("[data-testid=stMainBlockContainer]");
  if (block) resize.observe(block);
  addEventListener("resize", layOut);

  // --- what Python says ------------------------------------------------------------------------

  function label(next) {
    root.classList.toggle("choosable", next.selectable);
    board.setAttribute("aria-label", next.label);
    board.setAttribute("aria-multiselectable", String(next.selectable));
    part("more").hidden = !next.actions;
    hint.hidden = !next.hint || next.count === 0;
    look.update(next.selectable, size);
  }

  return {
    update(next, component) {
      const [old, acts] = [data, talk.onImages()];
      talk.hear(component, next.actions?.handled ?? 0);
      const other = old?.view !== next.view || old?.count !== next.count;
      if (old?.size !== next.size) size = next.size;
      data = next;
      label(next);
      const same = old?.about === next.about;
      if (other || !remote()) rows.set(next.source, next.count, next.tiles, same ? (row) => withActsDone(row, acts, names()) : null);
      const { view: key, about, order, count, source } = next;
      if (next.selectable) selection.move({ key, about, order, count, source });
      countSelected();
      if (other) anchor = null;
      if (old?.start !== next.start) goal = next.start;
      else if (!(same && old.order === next.order)) goal = 0;
      else focus.follow(count);
      if (old?.open && !next.open) details.closed();
      layOut();
      if (next.actions) commands.update(next.actions);
    },
    destroy() {
      removeEventListener("keydown", pressedBeside);
      removeEventListener("resize", layOut);
      removeEventListener(LINKED, hearLinked);
      resize.disconnect();
      clearTimeout(landing);
      cancelAnimationFrame(arranging);
      for (const piece of [commands, details, selection, scroller, box, rows, talk, look]) piece.destroy();
    },
  };
}
