// The pictures of a card, fetched before they are needed: all lie on its stage, and one of them is on.

import { element, markTiny } from "./shared.js";

// `came(src)` is called when a picture can be shown, or never will: then it is broken.
/** @param {Element} stage @param {(src: string) => void} came */
export function createPictures(stage, came) {
  const pictures = /** @type {Map<string, ReturnType<typeof load>>} */ (new Map()); // by its address

  /** @param {string} src */
  function load(src) {
    const image = element("img", { alt: "", draggable: false }, stage);
    const picture = { image, ready: false, broken: false };
    image.onload = async () => {
      await image.decode().catch(() => undefined);
      markTiny(image);
      picture.ready = true;
      came(src);
    };
    image.onerror = () => {
      picture.ready = picture.broken = true;
      came(src);
    };
    image.src = src;
    return picture;
  }

  return {
    of: (/** @type {string} */ src) => pictures.get(src),
    /** @param {string} [src] @param {string} [alt] */
    show(src, alt = "") {
      for (const [one, { image }] of pictures) {
        image.classList.toggle("on", one === src);
        image.alt = one === src ? alt : "";
      }
    },
    // Fetches some pictures and forgets all others.
    /** @param {string[]} wanted */
    keep(wanted) {
      for (const [src, { image }] of pictures) {
        if (wanted.includes(src)) continue;
        pictures.delete(src);
        image.remove();
      }
      for (const src of wanted) if (!pictures.has(src)) pictures.set(src, load(src));
    },
  };
}
