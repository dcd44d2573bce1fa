// The image grid: draws the rows in sight, owns selection and keyboard focus, and tells Python only what it needs.

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
  });
  const bar = createBar(part("bar"), { press, all: () => selection.set(everything()), none: () => selection.set([]) });
  const talk = createTalk();
  const lines = new Map(); // row -> { node, tiles }
  const spare = []; // tiles out of sight, to be drawn into again
  const rows = createRows(() => draw(), () => talk.tell("lost", data.view));
  const scroller = createScroller(node, part("sizer"), board, moved);
  const box = createBox(node, part("box"), scroller, {
    wanted: () => data.selectable,
    begins: (keep) => (before = keep ? selection.ranges() : []),
    covered: (from, to) => selection.set(rangesUnion(before, covered(from, to))),
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
  let data = null;
  let layout = flatLayout(0, 1, 1);
  let columns = 1;
  let columnWidth = 1;
  let laidOut = ""; // the sizes that the layout was made for
  let travel = 1;
  let before = [];
  let anchor = null;
  let focused = 0; // a place
  let goal = null; // the place to begin at, once the rows are laid out
  let landing = null;

  // --- what Python hears -------------------------------------------------------------------

  function open(place) {
    const row = rows.at(place);
    if (!row) return;
    details.opened(place);
    talk.tell("opened", row.id);
  }

  // What an action is about: the selection, or the image that has the focus.
  function targets() {
    if (selection.ranges().length) return selection.ranges();
    return data.count ? [[focused, focused + 1]] : [];
  }

  async function act(action, value = null, alone = false) {
    await selection.settled();
    const ranges = alone ? selection.ranges() : targets();
    talk.act({ view: data.view, ranges, action, value });
  }

  // A button of the bar: some ask for a name first, others are about the selection alone.
  function press({ name, asks, always }) {
    if (asks) return commands.ask(asks);
    act(name, null, true);
    if (!always) back();
  }

  function back() {
    moveFocus(focused, false);
  }

  // --- selection ---------------------------------------------------------------------------

  function paintSelection() {
    const selected = selection.ranges();
    for (const { tiles } of lines.values()) {
      for (const tile of tiles) {
        tile.root.setAttribute("aria-selected", String(rangesHas(selected, tile.place)));
        tile.root.ariaCurrent = tile.place === details.place() ? "true" : null;
      }
    }
    root.classList.toggle("choosing", selected.length > 0);
  }

  function countSelected() {
    bar.update(data.actions?.bar ?? [], selection.count(), data.count);
  }

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
    const from = anchor ?? focused;
    const span = [[Math.min(from, place), Math.max(from, place) + 1]];
    selection.set(keep ? rangesUnion(selection.ranges(), span) : span);
  }

  // The places of the tiles that a box touches.
  function covered(from, to) {
    const spans = [];
    const [first, last] = [from, to].map(({ x }) => Math.max(0, Math.min(columns - 1, Math.floor(x / (columnWidth + GAP)))));
    for (let row = layout.rowAt(from.y); row <= layout.rowAt(to.y) && layout.rows; row++) {
      if (layout.bottom(row) < from.y) continue;
      spans.push([layout.first(row) + first, Math.min(layout.end(row), layout.first(row) + last + 1)]);
    }
    return spans.filter(([a, b]) => a < b);
  }

  // --- focus: one tile is in the tab order, arrows move it -----------------------------------

  function tileAt(place) {
    return layout.rows ? lines.get(layout.rowOf(place))?.tiles.find((tile) => tile.place === place) : undefined;
  }

  function setFocused(place) {
    tileAt(focused)?.root.setAttribute("tabindex", "-1");
    focused = place;
    const tile = tileAt(focused);
    tile?.root.setAttribute("tabindex", "0");
    node.tabIndex = tile ? -1 : 0; // the grid itself while its tile is out of sight
  }

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
      anchor ??= focused;
      selectTo(to, false);
    }
    show(to);
    setFocused(to);
    const tile = tileAt(to)?.root;
    tile?.focus({ preventScroll: true });
    if (!scroller.most()) tile?.scrollIntoView({ block: "nearest" });
  }

  function hasFocus() {
    return root.contains(parent.activeElement ?? document.activeElement);
  }

  // The place of the tile some rows further, in the same column or the row's last.
  function below(place, steps) {
    const row = Math.max(0, Math.min(layout.rows - 1, layout.rowOf(place) + steps));
    return Math.min(layout.first(row) + place - layout.first(layout.rowOf(place)), layout.end(row) - 1);
  }

  // --- layout: rows of as many columns as fit ------------------------------------------------

  function layOut() {
    if (!data || !root.clientWidth) return;
    const single = !remote() && data.tiles.every((row) => !row.sub && !row.note);
    const bare = single && data.tiles.every((row) => !row.title && !row.score);
    root.classList.toggle("single", single);
    root.classList.toggle("bare", bare);
    const kept = layout.rows ? layout.first(layout.rowAt(scroller.offset())) : 0;
    const width = board.clientWidth;
    columns = Math.max(1, Math.floor((width + GAP) / (data.size + GAP)));
    columnWidth = (width - GAP * (columns - 1)) / columns;
    const rowHeight = Math.ceil(columnWidth + captionHeight(bare) + GAP + 2);
    const hadFocus = board.contains(parent.activeElement);
    const sizes = JSON.stringify([data.view, data.count, columns, width, rowHeight]);
    if (sizes !== laidOut) {
      const again = laidOut !== "";
      laidOut = sizes;
      clear();
      board.style.setProperty("--columns", columns);
      board.style.setProperty("--row", `${rowHeight - GAP}px`);
      layout = gridLayout(data.count, columns, rowHeight, remote() ? [] : data.tiles.map((row) => row.group));
      board.setAttribute("aria-colcount", columns);
      board.setAttribute("aria-rowcount", layout.rows);
      fit();
      if (again && layout.rows) scroller.to(layout.top(layout.rowOf(Math.min(kept, data.count - 1))));
    } else fit();
    if (goal !== null && layout.rows) {
      focused = Math.min(goal, data.count - 1);
      goal = null;
      scroller.to(layout.top(layout.rowOf(focused)));
    }
    draw();
    if (hadFocus && !board.contains(parent.activeElement)) tileAt(focused)?.root.focus({ preventScroll: true });
  }

  function captionHeight(bare) {
    if (bare) return 0;
    const probe = createTile();
    drawTile(probe, { ...EMPTY, title: "x", score: "x", sub: "x", note: "x" }, false);
    board.appendChild(probe.root);
    const { offsetHeight } = probe.caption;
    probe.root.remove();
    return offsetHeight;
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
    head.hidden = !scroller.most() || data.height === "all";
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
      if (!arrived() && performance.now() < until) land(LOOK_MS, until);
      draw();
    }, rest);
  }

  function arrived() {
    return [...lines.values()].every(({ tiles }) => tiles.every(({ data, image }) => data && image.src && image.complete));
  }

  function draw(pictures = true) {
    if (!data || !layout.rows) return clear();
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
    for (const row of [...lines.keys()]) if (row < from || row > to) drop(row);
    for (let row = to; row >= from; row--) drawLine(row, pictures);
    if (hadFocus && !hasFocus()) node.focus({ preventScroll: true });
    setFocused(Math.min(focused, data.count - 1));
    paintSelection();
    const [first, last, count] = [insight[0] + 1, insight[1], data.count].map((number) => number.toLocaleString("en"));
    placeText.textContent = rows.failing() ? "The images do not come: trying again" : `${first}–${last} of ${count}`;
  }

  function drawLine(row, pictures) {
    const line = lines.get(row) ?? newLine(row);
    const next = lines.get(row + 1)?.node ?? null;
    if (line.node.parentNode !== board || line.node.nextSibling !== next) board.insertBefore(line.node, next);
    line.node.style.transform = `translateY(${layout.top(row) - scroller.base()}px)`;
    for (const tile of line.tiles) drawTile(tile, rows.at(tile.place), pictures);
  }

  function newLine(row) {
    const line = { node: element("div", "row"), tiles: [] };
    line.node.setAttribute("role", "row");
    line.node.setAttribute("aria-rowindex", row + 1);
    line.node.classList.toggle("begins", Boolean(layout.heading(row)));
    line.node.dataset.group = layout.heading(row);
    for (let place = layout.first(row); place < layout.end(row); place++) {
      const tile = spare.pop() ?? createTile();
      tile.place = place;
      tile.data = undefined;
      tile.root.dataset.place = place;
      tile.root.setAttribute("tabindex", "-1");
      tile.root.setAttribute("aria-colindex", place - layout.first(row) + 1);
      line.node.appendChild(tile.root);
      line.tiles.push(tile);
    }
    lines.set(row, line);
    return line;
  }

  function drop(row) {
    const { node: gone, tiles } = lines.get(row);
    lines.delete(row);
    gone.remove();
    for (const tile of tiles) drawPicture(tile, "");
    spare.push(...tiles);
  }

  function clear() {
    for (const row of [...lines.keys()]) drop(row);
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
    const from = focused;
    setFocused(place);
    tileAt(place)?.root.focus({ preventScroll: true });
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
    const [row, lastRow] = [layout.rows ? layout.rowOf(focused) : 0, layout.rows - 1];
    const windowful = Math.max(1, layout.rowAt(scroller.offset() + scroller.window()) - layout.rowAt(scroller.offset()));
    // A window's step goes on from what is in sight, wherever the focus was left.
    const seen = layout.rows ? layout.rowAt(scroller.offset()) : 0;
    const paged = row >= seen && row <= seen + windowful ? focused : layout.rows && layout.first(seen);
    const places = {
      ArrowRight: focused + 1, ArrowLeft: focused - 1,
      ArrowDown: row < lastRow ? below(focused, 1) : focused, ArrowUp: row > 0 ? below(focused, -1) : focused,
      Home: 0, End: data.count - 1,
      PageDown: below(paged, windowful), PageUp: below(paged, -windowful),
    };
    if (event.key in places && !event.altKey) {
      if (event.key.startsWith("Page")) {
        const down = event.key === "PageDown" ? windowful : -windowful;
        const to = Math.max(0, Math.min(lastRow, layout.rowAt(scroller.offset()) + down));
        scroller.to(layout.top(to));
      }
      moveFocus(places[event.key], event.shiftKey && data.selectable);
    } else if (event.key === "Enter") event.shiftKey && data.actions ? act("compare") : open(focused);
    else if (event.key === " " && data.selectable) toggle(focused);
    else if (event.key === " ") open(focused);
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
    if (place !== null && place !== focused) setFocused(place);
  });

  // What lies above a grid may grow or go without the grid: the page is watched as well.
  const resize = new ResizeObserver(() => root.clientWidth && layOut());
  resize.observe(root);
  const block = document.querySelector("[data-testid=stMainBlockContainer]");
  if (block) resize.observe(block);
  addEventListener("resize", layOut);

  return {
    update(next, component) {
      talk.hear(component, next.actions?.handled ?? 0);
      const old = data;
      const other = old?.view !== next.view || old?.count !== next.count;
      data = next;
      root.classList.toggle("choosable", next.selectable);
      root.classList.toggle("small", next.size < 110);
      board.setAttribute("aria-label", next.label);
      board.setAttribute("aria-multiselectable", String(next.selectable));
      part("more").hidden = !next.actions;
      hint.hidden = !next.hint || next.count === 0;
      [jump.elements.to.placeholder, jump.elements.to.title] = ["row", "A row"];
      const same = old?.about === next.about;
      if (other || !remote()) rows.set(next.source, next.count, next.tiles, same);
      const { view: key, about, order, count, source } = next;
      if (next.selectable) selection.move({ key, about, order, count, source });
      countSelected();
      if (other) anchor = null;
      if (old?.start !== next.start) goal = next.start;
      else if (!(same && old.order === next.order)) goal = 0;
      if (old?.open && !next.open) details.closed();
      layOut();
      if (next.actions) commands.update(next.actions);
    },
    destroy() {
      removeEventListener("keydown", pressedBeside);
      removeEventListener("resize", layOut);
      resize.disconnect();
      clearTimeout(landing);
      for (const piece of [commands, details, selection, scroller, box, rows]) piece.destroy();
    },
  };
}
