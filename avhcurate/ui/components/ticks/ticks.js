// The tick grid: every tile is a check-box, a ticked one turns green, and the whole grid is submitted at once.

import { createOutbox, paintSaving, typingElsewhere } from "../outbox.js";
import { element, mounted } from "../shared.js";

const GAP = 8;
const DRAFT = "avhcurate:ticks:";

export default mounted(createBoard);

function createBoard(parent, first) {
  const root = parent.querySelector(".sheet");
  const part = (name) => root.querySelector(`.${name}`);
  const [board, status, count, submit, back, peek] = ["board", "status", "count", "submit", "back", "peek"].map(part);
  const outbox = createOutbox(first.scope, first.health, paint);
  const tiles = new Map(); // id -> { root, image }
  let data = first;
  let task = null; // the grid on screen
  let order = [];
  let ticked = new Set();
  let focused = null;
  let columns = 1;
  let startedAt = null;
  let sure = false; // an empty sheet is submitted by a second press only
  let heard = "";
  let submitted = ""; // nonce of the newest grid from here

  // --- ticks: kept in this browser until the grid is submitted ------------------------------------

  const draftKey = () => `${DRAFT}${first.scope}:${task}`;

  function keep() {
    try {
      window.localStorage.setItem(draftKey(), JSON.stringify([...ticked]));
    } catch {
      // Without storage a reload loses the draft, no more.
    }
  }

  function recall(otherwise) {
    try {
      const kept = JSON.parse(window.localStorage.getItem(draftKey()) ?? "null");
      return new Set((kept ?? otherwise).filter((id) => tiles.has(id)));
    } catch {
      return new Set(otherwise);
    }
  }

  function forget() {
    try {
      window.localStorage.removeItem(draftKey());
    } catch {
      // There was none.
    }
  }

  function toggle(id) {
    if (busy() || !tiles.has(id)) return;
    if (!ticked.delete(id)) ticked.add(id);
    sure = false;
    say("");
    keep();
    paint();
  }

  // --- the grid -----------------------------------------------------------------------------------

  function createTile(item) {
    const tile = element("div", "tile");
    tile.setAttribute("role", "checkbox");
    tile.dataset.id = item.id;
    const image = element("img", "", tile);
    image.alt = "";
    image.decoding = "async";
    image.draggable = false;
    image.onload = () => {
      image.classList.toggle("tiny", image.naturalWidth <= 64 && image.naturalHeight <= 64);
    };
    image.onerror = () => tile.classList.add("broken");
    image.src = item.src;
    element("span", "mark", tile).setAttribute("aria-hidden", "true");
    return { root: tile, image, item };
  }

  function draw(items) {
    board.replaceChildren();
    tiles.clear();
    order = items.map((item) => item.id);
    items.forEach((item, place) => {
      const tile = createTile(item);
      tile.root.setAttribute("aria-label", `Image ${place + 1} of ${items.length}`);
      tile.root.setAttribute("tabindex", "-1");
      tiles.set(item.id, tile);
      board.appendChild(tile.root);
    });
    setFocused(order[0] ?? null);
    layOut();
  }

  function layOut() {
    const width = board.clientWidth;
    if (!width) return;
    columns = Math.max(1, Math.floor((width + GAP) / (data.size + GAP)));
    board.style.setProperty("--columns", columns);
    board.style.setProperty("--gap", `${GAP}px`);
  }

  function setFocused(id) {
    tiles.get(focused)?.root.setAttribute("tabindex", "-1");
    focused = id;
    tiles.get(focused)?.root.setAttribute("tabindex", "0");
  }

  function moveFocus(index) {
    const id = order[Math.min(order.length - 1, Math.max(0, index))];
    if (id === undefined) return;
    setFocused(id);
    tiles.get(id).root.focus({ preventScroll: true });
    tiles.get(id).root.scrollIntoView({ block: "nearest" });
    if (!peek.hidden) look(id);
  }

  // --- a closer look ---------------------------------------------------------------------------------

  function look(id) {
    const item = tiles.get(id)?.item;
    if (!item) return;
    const image = peek.querySelector("img");
    image.src = item.large;
    image.onload = () => image.classList.toggle("tiny", image.naturalWidth <= 64 && image.naturalHeight <= 64);
    peek.classList.toggle("ticked", ticked.has(id));
    peek.hidden = false;
  }

  function close() {
    peek.hidden = true;
    peek.querySelector("img").removeAttribute("src");
  }

  // --- submit ------------------------------------------------------------------------------------------

  function busy() {
    return outbox.entries().some((entry) => entry.kind === "grid" && entry.task === task);
  }

  function handIn() {
    if (!order.length || busy()) return;
    if (!ticked.size && !sure) {
      sure = true;
      return say(`Nothing is ticked. Submit again if no image holds ${data.name}.`);
    }
    sure = false;
    close();
    submitted = outbox.put({
      kind: "grid", task, ids: order, ticked: [...ticked], ms: Math.round(performance.now() - startedAt),
    });
    say("");
    paint();
  }

  function say(text) {
    status.textContent = text;
  }

  function paint() {
    for (const [id, tile] of tiles) tile.root.setAttribute("aria-checked", String(ticked.has(id)));
    const waiting = busy();
    root.classList.toggle("waiting", waiting || !order.length);
    root.dataset.task = task ?? "";
    count.textContent = order.length ? `${data.name}: ${ticked.size} of ${order.length} ticked` : "";
    submit.disabled = waiting || !order.length;
    submit.textContent = waiting ? "Saving …" : "Submit";
    back.hidden = !data.can_go_back;
    back.disabled = waiting;
    paintSaving(root, outbox);
    if (!peek.hidden) peek.classList.toggle("ticked", ticked.has(focused));
  }

  // --- events --------------------------------------------------------------------------------------------

  board.onclick = (event) => {
    const tile = event.target.closest?.(".tile");
    if (!tile) return;
    const id = Number(tile.dataset.id);
    setFocused(id);
    tile.focus({ preventScroll: true });
    toggle(id);
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typingElsewhere(event, root)) return;
    const inside = board.contains(parent.activeElement);
    const at = order.indexOf(focused);
    const row = at - (at % columns);
    const targets = {
      ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns,
      Home: row, End: row + columns - 1,
    };
    const press = event.key.toLowerCase();
    if (event.key in targets) {
      const to = targets[event.key];
      if (!inside) moveFocus(Math.max(0, at));
      else if (to >= 0 && (to < order.length || at < order.length - columns)) moveFocus(to);
    } else if (event.key === " " && inside) {
      if (!event.repeat) toggle(focused);
    } else if (event.key === "Enter" && (inside || event.composedPath()[0] === document.body)) {
      if (!event.repeat) handIn();
    } else if (press === "z" && inside) {
      if (!event.repeat) peek.hidden ? look(focused) : close();
    } else if (event.key === "Escape" && !peek.hidden) close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  submit.onclick = handIn;
  back.onclick = () => {
    outbox.put({ kind: "back", of: submitted });
    submitted = "";
    say("");
    paint();
  };
  peek.onclick = close;
  document.addEventListener("keydown", onKey, true);
  const resize = new ResizeObserver(layOut);
  resize.observe(board);

  return {
    scope: first.scope,
    update(next, component) {
      const begins = data === next;
      data = next;
      outbox.hear(component, next.echo, next.taken);
      if (next.task !== task) {
        if (task !== null) forget();
        task = next.task;
        draw(next.tiles);
        ticked = recall(next.ticked);
        startedAt = performance.now();
        sure = false;
        close();
        say("");
        if (order.length && !document.querySelector("[role=dialog]")) {
          tiles.get(focused).root.focus({ preventScroll: true });
          if (!begins) parent.host?.scrollIntoView({ block: "start" });
        }
      }
      layOut();
      if (next.refused.length && next.echo !== heard) say(next.refused[next.refused.length - 1].why);
      heard = next.echo;
      paint();
    },
    destroy() {
      document.removeEventListener("keydown", onKey, true);
      resize.disconnect();
      outbox.destroy();
    },
  };
}
