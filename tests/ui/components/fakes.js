// What the browser has and node has not, as much as the tests need: a storage, events, a server.

import { mock } from "node:test";

export class Store {
  constructor(kept = {}) {
    Object.assign(this, kept);
  }
  getItem(key) {
    return this[key] ?? null;
  }
  setItem(key, value) {
    this[key] = String(value);
  }
  removeItem(key) {
    delete this[key];
  }
}

// A window with a storage of its own; returns it.
export function openWindow(kept) {
  const events = new EventTarget();
  Object.assign(globalThis, {
    window: globalThis,
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events),
    dispatchEvent: events.dispatchEvent.bind(events),
  });
  for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(globalThis, name, { value: new Store(kept), configurable: true, writable: true });
  }
  return globalThis;
}

// A server that answers as `answer(address, options)` says: { status, json } or { bytes, headers }; a promise that is
// held, or an error.
export function serve(answer) {
  const asked = [];
  globalThis.fetch = async (address, options = {}) => {
    asked.push(address);
    const { status = 200, json = {}, bytes = "", headers = {} } = await answer(address, options);
    const blob = async () => new Blob([bytes]);
    return { status, ok: status < 400, json: async () => json, blob, headers: new Headers(headers) };
  };
  return asked;
}

// Lets everything that waits for an answer go on.
export async function settled() {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

// Time stands still, and goes on by `tick(milliseconds)`, with what waits for it.
export function stopTime(context) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  context.after(() => mock.timers.reset());
  return async (milliseconds) => {
    for (let left = milliseconds; left > 0; left -= 100) {
      mock.timers.tick(Math.min(100, left));
      await settled();
    }
  };
}

// Whole numbers below a bound, the same in every run.
export function createRandom(seed) {
  let now = seed;
  return (below) => {
    now = (now * 48271) % 2147483647;
    return now % below;
  };
}
