// Where a picture lies in its stage: one camera for all pictures side by side, in shares of each.

const MOST_ZOOM = 8; // of the fit, at least; or so many
const MOST_PIXELS = 32; // pixels of the screen for one of the picture

/** @typedef {{ width: number, height: number, across: number, down: number }} Picture */

// A picture is { width, height, across, down }: its own pixels, and those of its stage.
export function createCamera() {
  let mode = "fit"; // or "one": a pixel of the picture is one of the screen; or "free"
  let zoom = 1; // in units of the fit
  let centre = { x: 0.5, y: 0.5 }; // of the stage, in shares of the picture

  const own = () => 1 / devicePixelRatio;
  /** @param {Picture} picture */
  const fit = (picture) => Math.min(picture.across / picture.width, picture.down / picture.height);
  /** @param {number} value @param {number} low @param {number} high */
  const inside = (value, low, high) => Math.min(Math.max(value, low), high);

  /** @param {Picture} picture */
  function scale(picture) {
    return mode === "one" ? own() : fit(picture) * (mode === "free" ? zoom : 1);
  }

  // The share of a picture's side that lies at the middle of its stage: nothing beyond an edge is shown.
  /** @param {number} share @param {number} length @param {number} room */
  function middle(share, length, room) {
    return length <= room ? 0.5 : inside(share, room / length / 2, 1 - room / length / 2);
  }

  /** @param {Picture} picture */
  function placed(picture) {
    const size = scale(picture);
    const [width, height] = [picture.width * size, picture.height * size];
    const [x, y] = [middle(centre.x, width, picture.across), middle(centre.y, height, picture.down)];
    return { size, x, y, left: picture.across / 2 - x * width, top: picture.down / 2 - y * height };
  }

  return {
    placed,
    mode: () => mode,
    /** @param {Picture} picture */
    percent: (picture) => 100 * scale(picture) * devicePixelRatio,
    fit: () => (mode = "fit"),
    one: () => (mode = "one"),
    // Zooms by a factor about a place of the stage; without one about its middle.
    /** @param {number} factor @param {Picture} picture */
    zoomBy(factor, picture, at = { x: picture.across / 2, y: picture.down / 2 }) {
      const [before, whole] = [placed(picture), fit(picture)];
      const most = Math.max(MOST_ZOOM * whole, MOST_PIXELS * own());
      const size = inside(before.size * factor, Math.min(whole, own()), most);
      const fits = Math.abs(size / whole - 1) < 0.01;
      [mode, zoom] = fits ? ["fit", 1] : ["free", size / whole];
      if (fits) return;
      /** @param {number} place @param {number} from @param {number} length */
      const share = (place, from, length) => (place - from) / (length * before.size);
      const [x, y] = [share(at.x, before.left, picture.width), share(at.y, before.top, picture.height)];
      centre = {
        x: x + (picture.across / 2 - at.x) / (picture.width * size),
        y: y + (picture.down / 2 - at.y) / (picture.height * size),
      };
    },
    /** @param {number} across @param {number} down @param {Picture} picture */
    panBy(across, down, picture) {
      const { size, x, y } = placed(picture);
      centre = { x: x - across / (picture.width * size), y: y - down / (picture.height * size) };
      const held = placed(picture);
      centre = { x: held.x, y: held.y };
    },
    /** @param {Picture} picture */
    pannable(picture) {
      const { size } = placed(picture);
      return picture.width * size > picture.across + 1 || picture.height * size > picture.down + 1;
    },
  };
}
