// The pictures of a card, fetched before they are needed: all lie on its stage, and one of them is on.

import { element, markTiny } from "./shared.js";

const PAUSE_MS = 400; // before another try, then twice as long
const LONGEST_PAUSE_MS = 8000;

// Whether all of a picture comes and still cannot be drawn: a cut, or a server that is away, stops a picture too.
/** @param {string} src */
async function isBroken(src) {
  try {
    const answer = await fetch(src, { cache: "reload" });
    if (answer.status >= 500) return false;
    const all = await answer.blob();
    return await createImageBitmap(all).then(
      () => false,
      () => true,
    );
  } catch {
    return false;
  }
}

// `came(src)` is called when a picture can be shown, or never will: then it is broken.
/** @param {Element} stage @param {(src: string) => void} came */
export function createPictures(stage, came) {
  const pictures = /** @type {Map<string, ReturnType<typeof load>>} */ (new Map()); // by its address

  /** @param {string} src */
  function load(src) {
    const image = element("img", { alt: "", draggable: false }, stage);
    const picture = { image, ready: false, broken: false };
    let pause = PAUSE_MS;
    image.onload = async () => {
      await image.decode().catch(() => undefined);
      markTiny(image);
      picture.ready = true;
      came(src);
    };
    image.onerror = async () => {
      if (await isBroken(src)) {
        picture.ready = picture.broken = true;
        return came(src);
      }
      setTimeout(() => {
        if (pictures.get(src) === picture) image.src = src;
      }, pause);
      pause = Math.min(LONGEST_PAUSE_MS, 2 * pause);
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
