// The thumbnails of a grid: asked for in batches, and kept while they are near.

const BATCH = 24; // one is answered before the next is asked for, so what is asked for is in or near sight
const KEPT = 600;

// `ask(sources)` gives their bytes in order, none where there is no picture. Returns what draws one into an image.
/** @param {(sources: string[]) => Promise<BlobPart[]>} ask */
export function createThumbnails(ask) {
  /** @type {Map<string, string>} */
  const known = new Map(); // source -> address of its blob, "" for none; the one drawn last at the end
  /** @type {Map<HTMLImageElement, string>} */
  const wanted = new Map();
  let asking = false;

  /** @param {HTMLImageElement} image @param {string} source */
  function show(image, source) {
    const address = known.get(source) ?? "";
    known.delete(source);
    known.set(source, address);
    if (address) image.src = address;
    else image.dispatchEvent(new Event("error"));
  }

  /** @param {string} source @param {Blob} blob */
  function keep(source, blob) {
    known.set(source, blob.size ? URL.createObjectURL(blob) : "");
    for (const [far, address] of [...known].slice(0, -KEPT)) {
      known.delete(far);
      URL.revokeObjectURL(address);
    }
  }

  // What is wanted last comes first.
  async function fetchAll() {
    asking = true;
    await null; // all that is drawn now
    while (wanted.size) {
      const sources = [...new Set([...wanted.values()].reverse())].slice(0, BATCH);
      const bytes = await ask(sources);
      sources.forEach((source, at) => keep(source, new Blob(bytes.slice(at, at + 1))));
      for (const [image, source] of wanted) {
        if (!known.has(source)) continue;
        wanted.delete(image);
        show(image, source);
      }
    }
    asking = false;
  }

  /** @param {HTMLImageElement} image @param {string} source */
  return (image, source) => {
    wanted.delete(image);
    image.removeAttribute("src");
    if (!source) return;
    if (known.has(source)) return show(image, source);
    wanted.set(image, source);
    if (!asking) fetchAll();
  };
}
