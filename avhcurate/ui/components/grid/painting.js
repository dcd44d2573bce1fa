// How the grid is drawn: rows of as many columns as fit, those in sight first, and their neighbours when somebody is near.

import { around, GAP, gridLayout, tileSizes, wordsOf } from "./layout.js";
import { rangesHas } from "./ranges.js";

const REST_AFTER_FLIGHT_MS = 60;
const LOOK_MS = 30; // between two looks at whether all pictures in sight have come
const LONGEST_LANDING_MS = 2000;
const JUMP = 1.5; // windows
const LEAST_HEIGHT = 320;
const SHARE = 0.62; // of the window's height, at most, for a grid that is one of several
const EDGE = 6; // pixels below the last row

export class Painting {
  layout = gridLayout(0, { columns: 1, width: 1, rowHeight: 1 }, []);
  laidOut = ""; // the sizes that the layout was made for
  travel = 1;
  widest = 0; // characters that said which images are in sight
  goal = /** @type {number | null} */ (null); // the place to begin at, once the rows are laid out
  landing = /** @type {number | null} */ (null);
  arranging = 0;
  awake = false; // somebody has come near: rows beyond those in sight are fetched as well

  resized = () => this.layOut();
  // The frame in which something happens shows it, a filter's chip for one, before the grid is laid out anew.
  resize = new ResizeObserver(() => {
    cancelAnimationFrame(this.arranging);
    this.arranging = requestAnimationFrame(this.resized);
  });

  /** @param {import("./grid.js").Grid} grid */
  constructor(grid) {
    this.grid = grid;
    addEventListener("resize", this.resized);
    // What lies above a grid may grow or go without the grid: the page is watched as well.
    this.resize.observe(grid.root);
    const block = document.querySelector("[data-testid=stMainBlockContainer]");
    if (block) this.resize.observe(block);
    for (const event of ["pointerenter", "focusin"]) grid.root.addEventListener(event, () => this.wake());
  }

  layOut() {
    const { data, root, board } = this.grid;
    if (!data || !root.clientWidth) return;
    const words = wordsOf(data);
    for (const [name, on] of Object.entries(words)) root.classList.toggle(name, on);
    const sizes = tileSizes(board, this.grid.size, words.bare);
    const hadFocus = board.contains(this.grid.parent.activeElement);
    const print = JSON.stringify([data.view, data.count, sizes, data.groups]);
    if (print !== this.laidOut) this.layAnew(sizes, print);
    else this.fit();
    this.arrive();
    this.draw();
    if (hadFocus && !board.contains(this.grid.parent.activeElement)) this.grid.focusTile(this.grid.focus.place());
  }

  // The first row in sight stays so.
  /** @param {{ columns: number, width: number, rowHeight: number }} sizes @param {string} print */
  layAnew(sizes, print) {
    const { count, groups } = this.grid.data;
    const kept = this.layout.rows ? this.layout.first(this.layout.rowAt(this.grid.scroller.offset())) : 0;
    const again = this.laidOut !== "";
    this.laidOut = print;
    this.grid.lines.clear();
    this.layout = gridLayout(count, sizes, groups);
    this.grid.board.setAttribute("aria-colcount", String(sizes.columns));
    this.grid.board.setAttribute("aria-rowcount", String(this.layout.rows));
    this.fit();
    if (again && this.layout.rows) this.scrollTo(Math.min(kept, count - 1));
  }

  arrive() {
    if (this.goal === null || !this.layout.rows) return;
    this.grid.focus.begin(Math.min(this.goal, this.grid.data.count - 1));
    this.goal = null;
    this.scrollTo(this.grid.focus.place());
  }

  /** @param {number} place */
  scrollTo(place) {
    this.grid.scroller.to(this.layout.top(this.layout.rowOf(place)));
  }

  // Most rows do not come with the page.
  remote() {
    return this.grid.data.count > this.grid.data.tiles.length;
  }

  // As high as its rows, or as the window leaves room for.
  fit() {
    const { data, scroller } = this.grid;
    const height = this.layout.height + EDGE;
    this.grid.node.style.height = `${Math.ceil(Math.min(height, this.mostHeight()))}px`;
    scroller.resize(height);
    this.grid.part("head").hidden = data.height === "all" || !(scroller.most() || data.selectable);
    for (const name of ["place", "jump"]) this.grid.part(name).hidden = !scroller.most();
  }

  mostHeight() {
    const main = document.querySelector("[data-testid=stMain]");
    if (this.grid.data.height === "all") return Infinity;
    if (typeof this.grid.data.height === "number") return this.grid.data.height;
    if (this.grid.data.height === "part" || !main) return Math.max(LEAST_HEIGHT, SHARE * innerHeight);
    const [page, root, pane] = [main, this.grid.root, this.grid.pane].map((one) => one.getBoundingClientRect());
    const [above, below] = [pane.top - page.top + main.scrollTop, root.bottom - pane.bottom];
    return Math.max(LEAST_HEIGHT, main.clientHeight - above - below - GAP);
  }

  /** @param {number} place */
  show(place) {
    const { layout } = this;
    const { scroller } = this.grid;
    const row = layout.rowOf(place);
    const [top, bottom] = [layout.top(row), layout.bottom(row)];
    if (top < scroller.offset()) scroller.to(top);
    else if (bottom > scroller.offset() + scroller.window()) scroller.to(bottom - scroller.window());
  }

  /** @type {(by: number, flying: boolean) => void} */
  moved = (by, flying) => {
    if (by) [this.travel, this.awake] = [Math.sign(by), true];
    clearTimeout(this.landing ?? 0);
    this.landing = null;
    if (Math.abs(by) > JUMP * this.grid.scroller.window()) this.land(flying ? REST_AFTER_FLIGHT_MS : LOOK_MS);
    this.draw(!flying);
  };

  wake() {
    if (this.awake) return;
    this.awake = true;
    this.draw();
  }

  // After a jump the rows in sight come first, and their neighbours when all their pictures are there.
  /** @param {number} rest */
  land(rest, until = performance.now() + LONGEST_LANDING_MS) {
    this.landing = setTimeout(() => {
      this.landing = null;
      if (!this.grid.lines.arrived() && performance.now() < until) this.land(LOOK_MS, until);
      this.draw();
    }, rest);
  }

  draw(pictures = true) {
    if (!this.grid.data || !this.layout.rows) return this.grid.lines.clear();
    const [top, seen] = [this.grid.scroller.offset(), this.grid.scroller.window()];
    if (top <= 0) this.travel = 1;
    else if (top >= this.grid.scroller.most()) this.travel = -1;
    const { from, to, insight, wanted } = around(this.layout, {
      top,
      seen,
      travel: this.travel,
      alone: this.landing !== null || !this.awake,
    });
    if (pictures) this.grid.rows.want(wanted);
    const hadFocus = this.grid.hasFocus();
    this.grid.lines.draw(from, to, pictures);
    if (hadFocus && !this.grid.hasFocus()) this.grid.node.focus({ preventScroll: true });
    this.grid.focus.paint();
    this.paintSelection();
    const [first, last, count] = [insight[0] + 1, insight[1], this.grid.data.count].map((number) =>
      number.toLocaleString("en"),
    );
    const failing = this.grid.rows.failing();
    const place = this.grid.part("place");
    place.textContent = failing ? "The images do not come: trying again" : `${first}–${last} of ${count}`;
    this.widest = Math.max(this.widest, place.textContent.length);
    place.style.flexBasis = `${this.widest}ch`; // so that what follows stands still
  }

  paintSelection() {
    const selected = this.grid.selection.ranges();
    for (const tile of this.grid.lines.tiles()) {
      tile.root.setAttribute("aria-selected", String(rangesHas(selected, tile.place)));
      tile.root.ariaCurrent = tile.place === this.grid.details.place() ? "true" : null;
    }
    this.grid.root.classList.toggle("choosing", selected.length > 0);
  }

  label() {
    const { selectable, label, actions, hint, count } = this.grid.data;
    this.grid.root.classList.toggle("choosable", selectable);
    this.grid.root.classList.toggle("closed", !this.grid.opens);
    this.grid.board.setAttribute("aria-label", label);
    this.grid.board.setAttribute("aria-multiselectable", String(selectable));
    this.grid.part("more").hidden = !actions;
    this.grid.part("hint").hidden = !hint || count === 0;
    this.grid.look.update(selectable, this.grid.size);
  }

  destroy() {
    removeEventListener("resize", this.resized);
    this.resize.disconnect();
    clearTimeout(this.landing ?? 0);
    cancelAnimationFrame(this.arranging);
  }
}
