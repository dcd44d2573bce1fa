// The pictures of the classify card, fetched before they are needed.

import { element, markTiny } from "../shared.js";
/** @import { Classify } from "../messages.js" */

// `came(item)` is called when a picture can be shown, `broke(item)` when it never will.
/**
 * @typedef {Classify.Item} Item
 * @param {Element} stage
 * @param {{ came: (item: Item) => void, broke: (item: Item) => void }} does
 */
export function createPictures(stage, { came, broke }) {
  /** @type {Map<number, { image: HTMLImageElement, ready: boolean, broken: boolean }>} */
  const pictures = new Map(); // id of a sample -> { image, ready, broken }

  /** @param {Item} item */
  function load(item) {
    const image = element("img", "", stage);
    image.alt = "";
    image.draggable = false;
    const picture = { image, ready: false, broken: false };
    image.onload = async () => {
      await image.decode().catch(() => undefined);
      markTiny(image);
      picture.ready = true;
      came(item);
    };
    image.onerror = () => {
      picture.broken = true;
      broke(item);
    };
    image.src = item.src;
    pictures.set(item.id, picture);
    return picture;
  }

  return {
    /** @param {Item} item */
    of: (item) => pictures.get(item.id) ?? load(item),
    hide() {
      for (const { image } of pictures.values()) image.classList.remove("on");
    },
    // Fetches those of some items and forgets all others.
    /** @param {Item[]} items */
    keep(items) {
      const ids = new Set(items.map((item) => item.id));
      for (const item of items) if (!pictures.has(item.id)) load(item);
      for (const [id, { image }] of pictures) {
        if (ids.has(id)) continue;
        image.remove();
        pictures.delete(id);
      }
    },
  };
}
