// The rows that a grid knows: asked for in windows, kept while they are near, stale ones until new ones arrive.

import { rangesHas } from "./ranges.js";

const CHUNK = 60; // rows a window; as many come with the page itself
const KEPT_CHUNKS = 60;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const GONE = [401, 404, 409]; // nobody is signed in, the view is closed, the dataset has changed
const FAILURES = 3; // in a row, after which the grid says so

// `lost()` is called where the page can tell what has become of the rows, once until some come again.
export function createRows(changed, lost) {
  let source = "";
  let remote = false; // some rows do not come with the page
  let count = 0;
  let known = new Map(); // chunk -> tiles, the one asked for last at the end
  let stale = new Map();
  let loading = new Map(); // chunk -> its request
  let pause = FIRST_PAUSE_MS;
  let retry = null;
  let failures = 0;
  let toldLost = false;

  // Another view; of one with other decisions about the same samples the old tiles stand in, as `standIn(row)` has them.
  function set(address, total, first, standIn) {
    for (const request of loading.values()) request.abort();
    clearTimeout(retry);
    const old = standIn ? [...stale, ...known].slice(-KEPT_CHUNKS) : [];
    stale = new Map(old.map(([chunk, tiles]) => [chunk, tiles.map(standIn)]));
    [source, count, known, loading, pause] = [address, total, new Map(), new Map(), FIRST_PAUSE_MS];
    remote = first.length < total;
    for (let chunk = 0; chunk * CHUNK < first.length; chunk++) {
      known.set(chunk, first.slice(chunk * CHUNK, (chunk + 1) * CHUNK));
    }
  }

  function at(place) {
    const chunk = Math.floor(place / CHUNK);
    return (known.get(chunk) ?? stale.get(chunk))?.[place % CHUNK] ?? null;
  }

  // The place of an image among the rows of this view that are known, the nearest chunks first; null if it is not there.
  function find(id, near) {
    const distance = ([chunk]) => Math.abs(chunk - Math.floor(near / CHUNK));
    for (const [chunk, tiles] of [...known].sort((a, b) => distance(a) - distance(b))) {
      const place = tiles.findIndex((row) => row.id === id);
      if (place >= 0) return chunk * CHUNK + place;
    }
    return null;
  }

  // The images at ranges of places, as far as they are known.
  function idsIn(ranges) {
    const places = [...known].flatMap(([chunk, tiles]) => tiles.map((row, place) => [chunk * CHUNK + place, row.id]));
    return new Set(places.filter(([place]) => rangesHas(ranges, place)).map(([, id]) => id));
  }

  // Asks for what is missing of some spans of places, the most urgent first, and for nothing else.
  function want(spans) {
    const wanted = new Set();
    for (const [from, to] of spans) {
      for (let chunk = Math.floor(from / CHUNK); chunk * CHUNK < Math.min(to, count); chunk++) wanted.add(chunk);
    }
    for (const [chunk, request] of loading) if (!wanted.has(chunk)) request.abort();
    for (const chunk of wanted) {
      if (known.has(chunk)) {
        const tiles = known.get(chunk);
        known.delete(chunk);
        known.set(chunk, tiles);
      } else if (remote && !loading.has(chunk)) load(chunk);
    }
    if (remote) for (const chunk of [...known.keys()].slice(0, -KEPT_CHUNKS)) known.delete(chunk);
  }

  async function load(chunk) {
    const request = new AbortController();
    const mine = loading;
    mine.set(chunk, request);
    try {
      const [start, stop] = [chunk * CHUNK, Math.min(count, (chunk + 1) * CHUNK)];
      const answer = await fetch(`${source}/rows?start=${start}&stop=${stop}`, { signal: request.signal });
      if (GONE.includes(answer.status) && !toldLost) {
        toldLost = true;
        lost();
      } else if (!answer.ok) throw new Error(answer.status);
      else {
        const { tiles } = await answer.json();
        if (loading !== mine) return;
        known.set(chunk, tiles);
        stale.delete(chunk);
        [pause, failures, toldLost] = [FIRST_PAUSE_MS, 0, false];
        changed();
      }
    } catch (error) {
      if (error.name !== "AbortError" && loading === mine) again();
    } finally {
      mine.delete(chunk);
    }
  }

  // The server does not answer: another try after a pause that grows.
  function again() {
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(changed, pause);
    pause = Math.min(LONGEST_PAUSE_MS, 2 * pause);
  }

  return { set, at, find, idsIn, want, failing: () => failures >= FAILURES, destroy: () => set("", 0, [], null) };
}
