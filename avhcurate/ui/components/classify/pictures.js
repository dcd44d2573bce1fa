// The pictures of the classify card, fetched before they are needed.

import { element, markTiny } from "../shared.js";

// `came(item)` is called when a picture can be shown, `broke(item)` when it never will.
export function createPictures(stage, { came, broke }) {
  const pictures = new Map(); // id of a sample -> { image, ready, broken }

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
    of: (item) => pictures.get(item.id) ?? load(item),
    hide() {
      for (const { image } of pictures.values()) image.classList.remove("on");
    },
    // Fetches those of some items and forgets all others.
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
