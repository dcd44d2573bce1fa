// What carries a component's questions to what serves it: HTTP, or in a notebook the messages of a widget.

import { createThumbnails } from "./thumbnails.js";

const PAUSE_MS = 400; // before a batch is asked for again, then twice as long
const LONGEST_PAUSE_MS = 8000;

/**
 * @typedef {object} Carrier
 * @property {(address: string, options?: RequestInit) => Promise<Pick<Response, "ok" | "status" | "json">>} read
 * @property {(image: HTMLImageElement, src: string) => void} draw Puts a picture into an image; "" for none.
 */

/** @type {Carrier} */
let carrier = {
  read: (address, options) => fetch(address, options),
  draw: createThumbnails(fetchAtOnce),
};

// A cut, or a server that is away, stops the thumbnails too: they are asked for until an answer comes.
/** @param {string[]} sources @returns {Promise<Blob[]>} */
async function fetchAtOnce(sources, pause = PAUSE_MS) {
  const address = sources[0].replace(/\/[^/]*\/[^/]*$/, "/several");
  try {
    const answer = await fetch(`${address}?${new URLSearchParams(sources.map((source) => ["at", source]))}`);
    if (answer.status < 500) return cut(await answer.blob(), answer.headers.get("Sizes") ?? "");
  } catch {}
  await new Promise((done) => setTimeout(done, pause));
  return fetchAtOnce(sources, Math.min(LONGEST_PAUSE_MS, 2 * pause));
}

/** @param {Blob} all @param {string} sizes */
function cut(all, sizes) {
  let end = 0;
  return sizes.split(",").map((size) => all.slice(end, (end += Number(size))));
}

/** @param {Carrier} other */
export function carryBy(other) {
  carrier = other;
}

/** @type {Carrier["read"]} */
export const read = (address, options) => carrier.read(address, options);

/** @type {Carrier["draw"]} */
export const draw = (image, src) => carrier.draw(image, src);
