// What carries a component's questions to what serves it: HTTP, or in a notebook the messages of a widget.

/**
 * @typedef {object} Carrier
 * @property {(address: string, options?: RequestInit) => Promise<Pick<Response, "ok" | "status" | "json">>} read
 * @property {(image: HTMLImageElement, src: string) => void} draw Puts a picture into an image; "" for none.
 */

/** @type {Carrier} */
let carrier = {
  read: (address, options) => fetch(address, options),
  draw(image, src) {
    if (src) image.src = src;
    else image.removeAttribute("src"); // also drops a request under way
  },
};

/** @param {Carrier} other */
export function carryBy(other) {
  carrier = other;
}

/** @type {Carrier["read"]} */
export const read = (address, options) => carrier.read(address, options);

/** @type {Carrier["draw"]} */
export const draw = (image, src) => carrier.draw(image, src);
