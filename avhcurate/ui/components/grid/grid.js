// The image grid: draws tiles, owns selection and keyboard focus, and tells Python only what changed.

const GAP = 10;
const ECHO_DELAY_MS = 80;
const grids = new WeakMap();

export default function (component) {
  const { parentElement, data } = component;
  let grid = grids.get(parentElement);
  if (!grid) {
    grid = createGrid(parentElement);
    grids.set(parentElement, grid);
  }
  grid.update(data, component);
  return () => {
    grid.destroy();
    grids.delete(parentElement);
  };
}

function element(tag, className, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (parent) parent.appendChild(node);
  return node;
}

function createTile() {
  const root = element("div", "tile");
  root.setAttribute("role", "gridcell");
  const frame = element("div", "frame", root);
  const image = element("img", "", frame);
  image.loading = "lazy";
  image.decoding = "async";
  image.draggable = false;
  image.onload = () => {
    frame.classList.remove("broken");
    image.classList.toggle("pixels", image.naturalWidth <= 64 && image.naturalHeight <= 64);
  };
  image.onerror = () => frame.classList.add("broken");
  const check = element("span", "check", frame);
  check.setAttribute("aria-hidden", "true");
  const badges = element("span", "badges", frame);
  const caption = element("div", "caption", root);
  const top = element("div", "line", caption);
  const title = element("span", "title", top);
  const score = element("span", "score", top);
  const bottom = element("div", "line second", caption);
  const sub = element("span", "sub", bottom);
  const note = element("span", "note", bottom);
  return { root, image, badges, title, score, sub, note, bottom, drawn: "" };
}

function drawTile(tile, data) {
  const fingerprint = JSON.stringify(data);
  if (tile.drawn === fingerprint) return;
  tile.drawn = fingerprint;
  tile.id = data.id;
  tile.root.dataset.id = data.id;
  if (tile.image.getAttribute("src") !== data.src) tile.image.src = data.src;
  tile.image.alt = data.alt;
  tile.root.setAttribute("aria-label", data.alt);
  tile.root.classList.toggle("muted", data.muted);
  tile.root.classList.toggle("differs", data.differs);
  tile.title.textContent = data.title;
  tile.title.title = data.title;
  tile.score.textContent = data.score;
  tile.root.classList.toggle("bare", !data.title && !data.score && !data.sub && !data.note);
  tile.sub.textContent = data.sub;
  tile.sub.title = data.sub;
  tile.note.textContent = data.note;
  tile.bottom.hidden = !data.sub && !data.note;
  tile.badges.replaceChildren();
  for (const text of data.badges) element("span", "badge", tile.badges).textContent = text;
}

function createGrid(parent) {
  const board = parent.querySelector(".board");
  const hint = parent.querySelector(".hint");
  const tiles = new Map(); // id -> tile, in page order
  let order = [];
  let rows = []; // the ids of order, row by row
  let selected = new Set();
  let scope = null;
  let view = null;
  let anchor = null;
  let focused = null;
  let columns = 0;
  let options = { size: 140, selectable: true };
  let send = null;
  let timer = null;

  // --- what Python hears -------------------------------------------------------------------

  function echo() {
    clearTimeout(timer);
    timer = setTimeout(flush, ECHO_DELAY_MS);
  }

  function flush() {
    if (timer === null) return;
    clearTimeout(timer);
    timer = null;
    send.setStateValue("selection", { scope, ids: [...selected] });
  }

  function open(id) {
    flush();
    send.setTriggerValue("opened", id);
  }

  // --- selection ---------------------------------------------------------------------------

  function paintSelection() {
    for (const [id, tile] of tiles) tile.root.setAttribute("aria-selected", String(selected.has(id)));
    board.classList.toggle("choosing", selected.size > 0);
  }

  function select(ids) {
    selected = new Set(ids);
    paintSelection();
    echo();
  }

  function toggle(id) {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    anchor = id;
    select(next);
  }

  function selectRange(id, keep) {
    const from = Math.max(0, order.indexOf(anchor ?? id));
    const to = order.indexOf(id);
    const span = order.slice(Math.min(from, to), Math.max(from, to) + 1);
    select(keep ? [...selected, ...span] : span);
  }

  // --- focus: one tile is in the tab order, arrows move it -----------------------------------

  function setFocused(id) {
    tiles.get(focused)?.root.setAttribute("tabindex", "-1");
    focused = id;
    tiles.get(focused)?.root.setAttribute("tabindex", "0");
  }

  function moveFocus(index, extend) {
    const id = order[Math.min(order.length - 1, Math.max(0, index))];
    if (id === undefined) return;
    if (extend) {
      anchor ??= focused;
      selectRange(id, false);
    }
    setFocused(id);
    const root = tiles.get(id).root;
    root.focus({ preventScroll: true });
    root.scrollIntoView({ block: "nearest" });
  }

  // --- layout: rows of as many columns as fit ------------------------------------------------

  function layOut() {
    const width = board.clientWidth;
    if (!width) return;
    const fitting = Math.max(1, Math.floor((width + GAP) / (options.size + GAP)));
    const hadFocus = board.contains(parent.activeElement ?? document.activeElement);
    if (fitting !== columns) {
      columns = fitting;
      board.style.setProperty("--columns", columns);
      board.setAttribute("aria-colcount", columns);
    }
    rows = [];
    for (const id of order) {
      const last = rows.at(-1);
      const fits = last && last.length < columns && tiles.get(last[0]).group === tiles.get(id).group;
      if (fits) last.push(id);
      else rows.push([id]);
    }
    while (board.children.length > rows.length) board.lastChild.remove();
    while (board.children.length < rows.length) element("div", "row", board).setAttribute("role", "row");
    board.setAttribute("aria-rowcount", rows.length);
    for (let row = 0; row < rows.length; row++) {
      const wanted = rows[row].map((id) => tiles.get(id).root);
      const now = board.children[row].children;
      if (now.length !== wanted.length || wanted.some((node, i) => node !== now[i])) {
        board.children[row].replaceChildren(...wanted);
      }
      const { group } = tiles.get(rows[row][0]);
      const begins = group && (row === 0 || group !== tiles.get(rows[row - 1][0]).group);
      board.children[row].classList.toggle("begins", Boolean(begins));
      board.children[row].dataset.group = begins ? group : "";
    }
    if (hadFocus && tiles.has(focused)) tiles.get(focused).root.focus({ preventScroll: true });
  }

  function draw(list) {
    const next = new Map();
    for (const data of list) {
      const tile = tiles.get(data.id) ?? createTile();
      drawTile(tile, data);
      tile.group = data.group;
      next.set(data.id, tile);
    }
    tiles.clear();
    for (const [id, tile] of next) tiles.set(id, tile);
    order = list.map((data) => data.id);
    for (const tile of tiles.values()) tile.root.setAttribute("tabindex", "-1");
    setFocused(tiles.has(focused) ? focused : order[0]);
    if (!tiles.has(anchor)) anchor = null;
    layOut();
  }

  // The place in order of the tile a number of rows further, in the same column or the row's last; -1 beyond the ends.
  function below(at, steps) {
    const row = rows.findIndex((ids) => ids.includes(order[at]));
    const wanted = rows[row + steps];
    if (!wanted) return -1;
    return order.indexOf(wanted[Math.min(rows[row].indexOf(order[at]), wanted.length - 1)]);
  }

  function scrollToTop() {
    if (board.getBoundingClientRect().top < 0) parent.host?.scrollIntoView({ block: "start" });
  }

  // --- events --------------------------------------------------------------------------------

  function tileOf(event) {
    const root = event.target.closest?.(".tile");
    return root ? Number(root.dataset.id) : null;
  }

  board.onclick = (event) => {
    const id = tileOf(event);
    if (id === null) return;
    setFocused(id);
    tiles.get(id).root.focus({ preventScroll: true });
    if (!options.selectable) open(id);
    else if (event.shiftKey) selectRange(id, event.ctrlKey || event.metaKey);
    else if (event.ctrlKey || event.metaKey || event.target.classList.contains("check")) toggle(id);
    else {
      anchor = id;
      select([id]);
    }
  };

  board.ondblclick = (event) => {
    const id = tileOf(event);
    if (id !== null && options.selectable && !event.target.classList.contains("check")) open(id);
  };

  board.onkeydown = (event) => {
    const at = order.indexOf(focused);
    const page = Math.max(1, Math.floor(window.innerHeight / (tiles.get(focused)?.root.offsetHeight || 200))) * columns;
    const targets = {
      ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: below(at, 1), ArrowUp: below(at, -1),
      Home: event.ctrlKey ? 0 : at - (at % columns),
      End: event.ctrlKey ? order.length - 1 : at - (at % columns) + columns - 1,
      PageDown: at + page, PageUp: at - page,
    };
    const command = event.ctrlKey || event.metaKey;
    if (event.key in targets) {
      const to = targets[event.key];
      const leaves = (event.key === "ArrowDown" || event.key === "ArrowUp") && to < 0;
      if (!leaves) moveFocus(to, event.shiftKey && options.selectable);
    } else if (event.key === "Enter") open(focused);
    else if (event.key === " " && options.selectable) toggle(focused);
    else if (event.key === " ") open(focused);
    else if (command && event.key.toLowerCase() === "a" && options.selectable) select([...selected, ...order]);
    else if (event.key === "Escape" && selected.size) select([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  // A press elsewhere (a button that acts on the selection) must find Python up to date.
  board.onpointerleave = flush;
  board.onfocusout = flush;

  const resize = new ResizeObserver(layOut);
  resize.observe(board);

  return {
    update(data, component) {
      send = component;
      options = { size: data.size, selectable: data.selectable };
      board.style.setProperty("--gap", `${GAP}px`);
      board.classList.toggle("choosable", data.selectable);
      board.classList.toggle("small", data.size < 110);
      board.setAttribute("aria-label", data.label);
      board.setAttribute("aria-multiselectable", String(data.selectable));
      hint.hidden = !data.hint || data.tiles.length === 0;
      if (data.scope !== scope) {
        clearTimeout(timer);
        timer = null;
        scope = data.scope;
        selected = new Set(data.selected);
        anchor = null;
      }
      const turned = view !== null && data.view !== view;
      view = data.view;
      draw(data.tiles);
      paintSelection();
      if (turned) scrollToTop();
    },
    destroy() {
      resize.disconnect();
      clearTimeout(timer);
    },
  };
}
