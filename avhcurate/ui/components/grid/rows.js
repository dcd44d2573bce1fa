// The rows that a grid knows: asked for in windows, kept while they are near, stale ones until new ones arrive.

import { read } from "../carrier.js";
import { rangesHas } from "./ranges.js";

/** @import { Ranges, Row } from "../events.js" */

const CHUNK = 60; // rows a window; as many come with the page itself
const KEPT_CHUNKS = 60;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const GONE = [401, 404, 409]; // nobody is signed in, the view is closed, the dataset has changed
const FAILURES = 3; // in a row, after which the grid says so

// `changed()` is called when rows have come, or should be wanted again; `lost()` where the page can tell what has become
// of the rows, once until some come again.
export class Rows {
  source = "";
  remote = false; // some rows do not come with the page
  count = 0;
  known = /** @type {Map<number, Row[]>} */ (new Map()); // chunk -> tiles, the one asked for last at the end
  stale = /** @type {Map<number, Row[]>} */ (new Map());
  loading = /** @type {Map<number, AbortController>} */ (new Map()); // chunk -> its request
  pause = FIRST_PAUSE_MS;
  retry = 0;
  failures = 0;
  reportedLost = false;

  /** @param {() => void} changed @param {() => void} lost */
  constructor(changed, lost) {
    this.changed = changed;
    this.lost = lost;
  }

  // Another view; of one with other decisions about the same samples the old tiles stand in, as `standIn(row)` has them.
  /** @param {string} source @param {number} count @param {Row[]} first @param {((row: Row) => Row) | null} standIn */
  set(source, count, first, standIn) {
    for (const request of this.loading.values()) request.abort();
    clearTimeout(this.retry);
    const old = standIn ? [...this.stale, ...this.known].slice(-KEPT_CHUNKS) : [];
    this.stale = new Map(old.map(([chunk, tiles]) => [chunk, tiles.map((row) => standIn?.(row) ?? row)]));
    this.known = new Map();
    this.loading = new Map();
    Object.assign(this, { source, count, pause: FIRST_PAUSE_MS, remote: first.length < count });
    for (let chunk = 0; chunk * CHUNK < first.length; chunk++) {
      this.known.set(chunk, first.slice(chunk * CHUNK, (chunk + 1) * CHUNK));
    }
  }

  /** @param {number} place */
  at(place) {
    const chunk = Math.floor(place / CHUNK);
    return (this.known.get(chunk) ?? this.stale.get(chunk))?.[place % CHUNK] ?? null;
  }

  // Whether the tile at a place is of this view: one that stands in is that of another image.
  /** @param {number} place */
  fresh(place) {
    return this.known.has(Math.floor(place / CHUNK));
  }

  // The place of an image among the rows of this view that are known, the nearest chunks first; null if it is not there.
  /** @param {number} id @param {number} near */
  find(id, near) {
    const distance = (/** @type {number} */ chunk) => Math.abs(chunk - Math.floor(near / CHUNK));
    for (const [chunk, tiles] of [...this.known].sort(([a], [b]) => distance(a) - distance(b))) {
      const place = tiles.findIndex((row) => row.id === id);
      if (place >= 0) return chunk * CHUNK + place;
    }
    return null;
  }

  // The images at ranges of places, as far as they are known.
  /** @param {Ranges} ranges */
  idsIn(ranges) {
    const placed = [...this.known].flatMap(([chunk, tiles]) =>
      tiles.map((row, place) => [chunk * CHUNK + place, row.id]),
    );
    return new Set(placed.filter(([place]) => rangesHas(ranges, place)).map(([, id]) => id));
  }

  // Asks for what is missing of some spans of places, the most urgent first, and for nothing else.
  /** @param {Ranges} spans */
  want(spans) {
    const wanted = this.chunksOf(spans);
    for (const [chunk, request] of this.loading) if (!wanted.has(chunk)) request.abort();
    for (const chunk of wanted) {
      const tiles = this.known.get(chunk);
      if (tiles) {
        this.known.delete(chunk);
        this.known.set(chunk, tiles);
      } else if (this.remote && !this.loading.has(chunk)) this.load(chunk);
    }
    const far = this.remote ? [...this.known.keys()].slice(0, -KEPT_CHUNKS) : [];
    for (const chunk of far) this.known.delete(chunk);
  }

  /** @param {Ranges} spans */
  chunksOf(spans) {
    const chunks = /** @type {Set<number>} */ (new Set());
    for (const [from, to] of spans) {
      const end = Math.min(to, this.count);
      for (let chunk = Math.floor(from / CHUNK); chunk * CHUNK < end; chunk++) chunks.add(chunk);
    }
    return chunks;
  }

  /** @param {number} chunk */
  async load(chunk) {
    const request = new AbortController();
    const { loading } = this;
    loading.set(chunk, request);
    try {
      const tiles = await this.read(chunk, request.signal);
      if (tiles && loading === this.loading) this.take(chunk, tiles);
    } catch {
      if (!request.signal.aborted && loading === this.loading) this.again();
    } finally {
      loading.delete(chunk);
    }
  }

  // The tiles of a window; null where the page is asked what has become of them.
  /** @param {number} chunk @param {AbortSignal} signal */
  async read(chunk, signal) {
    const [start, stop] = [chunk * CHUNK, Math.min(this.count, (chunk + 1) * CHUNK)];
    const answer = await read(`${this.source}/rows?start=${start}&stop=${stop}`, { signal });
    if (answer.ok) return (await answer.json()).tiles;
    if (!GONE.includes(answer.status) || this.reportedLost) throw new Error(`HTTP ${answer.status}`);
    this.reportedLost = true;
    this.lost();
    return null;
  }

  /** @param {number} chunk @param {Row[]} tiles */
  take(chunk, tiles) {
    this.known.set(chunk, tiles);
    this.stale.delete(chunk);
    Object.assign(this, { pause: FIRST_PAUSE_MS, failures: 0, reportedLost: false });
    this.changed();
  }

  // The server does not answer: another try after a pause that grows.
  again() {
    this.failures += 1;
    clearTimeout(this.retry);
    this.retry = setTimeout(this.changed, this.pause);
    this.pause = Math.min(LONGEST_PAUSE_MS, 2 * this.pause);
  }

  failing() {
    return this.failures >= FAILURES;
  }

  destroy() {
    this.set("", 0, [], null);
  }
}
