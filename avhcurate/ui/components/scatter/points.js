// The points of a chart: read from the server once, and tried again until they come.

import { link } from "../shared.js";
import { createPlaces } from "./places.js";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 16000;
const POINT_BYTES = 5; // two coordinates of 16 bits, and a shade

/** @typedef {Error & { lost?: boolean }} Failure */

export class Points {
  source = ""; // the address that they came from
  bytes = /** @type {ArrayBuffer | null} */ (null);
  shades = new Uint8Array();
  places = /** @type {ReturnType<typeof createPlaces> | null} */ (null);
  asked = ""; // the address that was asked last
  request = /** @type {AbortController | null} */ (null);
  pause = FIRST_RETRY_MS;
  timer = 0;

  /** @param {import("./scatter.js").Chart} chart */
  constructor(chart) {
    this.chart = chart;
  }

  // Reads `count` points at an address, unless they are there or on their way.
  /** @param {string} source @param {number} count */
  async want(source, count) {
    if (this.request && source === this.asked) return;
    this.stop();
    if (source === this.source) return;
    const request = new AbortController();
    Object.assign(this, { request, asked: source });
    this.chart.showMessage(`Reading ${count.toLocaleString("en-US")} points …`);
    try {
      const bytes = await this.read(source, count, request.signal);
      if (request === this.request) this.take(source, count, bytes);
    } catch (error) {
      if (request === this.request) this.fail(/** @type {Failure} */ (error), source, count);
    }
  }

  /** @param {string} source @param {number} count @param {AbortSignal} signal */
  async read(source, count, signal) {
    const answer = await fetch(source, { signal });
    if (!answer.ok)
      throw Object.assign(new Error(`HTTP ${answer.status}`), { lost: [401, 404].includes(answer.status) });
    const bytes = await answer.arrayBuffer();
    if (bytes.byteLength !== POINT_BYTES * count) throw new Error("a part of the points is missing");
    return bytes;
  }

  /** @param {number} point */
  coordinates(point) {
    return new Uint16Array(/** @type {ArrayBuffer} */ (this.bytes), 4 * point, 2);
  }

  /** @param {string} source @param {number} count @param {ArrayBuffer} bytes */
  take(source, count, bytes) {
    Object.assign(this, { source, bytes, request: null, pause: FIRST_RETRY_MS });
    this.shades = new Uint8Array(bytes, 4 * count);
    this.places = createPlaces(new Uint16Array(bytes, 0, 2 * count));
    this.chart.showMessage("");
    this.chart.give();
    link({});
  }

  /** @param {Failure} error @param {string} source @param {number} count */
  fail(error, source, count) {
    this.request = null;
    this.chart.showMessage(`The points could not be read (${error.message}): trying again …`);
    // Of those that are gone the page can tell what has become of them.
    const again = () => (error.lost ? this.chart.component.setTriggerValue("lost", source) : this.want(source, count));
    this.timer = setTimeout(again, this.pause);
    this.pause = Math.min(LONGEST_RETRY_MS, 2 * this.pause);
  }

  stop() {
    clearTimeout(this.timer);
    const { request } = this;
    this.request = null;
    request?.abort();
  }
}
