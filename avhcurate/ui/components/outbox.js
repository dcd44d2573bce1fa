// Answers on their way: numbered, kept in the browser until Python has them, and sent again until then.

import { createStore, takenElsewhere } from "./shared.js";

/** @import { Component } from "./events.js" */
/** @import { Outbox } from "./messages.js" */

const PATIENCE_MS = 3000;
const LONGEST_PATIENCE_MS = 15000;
const PREFIX = "avhcurate:outbox:";

/** @typedef {Outbox.Entry & { at: number }} Kept */
/** @typedef {ReturnType<typeof createOutbox>} Outbox */

// `scope` names the dataset, design and annotator; `health` is an address that answers while the server does;
// `changed` is called when an entry goes or the connection is lost or found.
/** @param {string} scope @param {string} health @param {() => void} changed */
export function createOutbox(scope, health, changed) {
  const mount = crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`;
  const store = createStore("localStorage"); // outlives a reload
  // One key an entry, so that two tabs never write over each other; the nonce makes a second delivery harmless.
  /** @param {string} nonce */
  const keyOf = (nonce) => `${PREFIX}${scope}:${nonce}`;
  const queue = /** @type {Map<string, Kept>} */ (new Map()); // nonce -> entry, in the order given
  let send = /** @type {Component | null} */ (null);
  let turn = 0;
  let awaited = /** @type {string | null} */ (null);
  let timer = 0;
  let patience = PATIENCE_MS;
  let lost = false;
  let gone = false; // destroyed: another one sends now

  /** @param {Omit<Outbox.Entry, "nonce">} entry */
  function put(entry) {
    const nonce = `${mount}-${++turn}`;
    const kept = { ...entry, nonce, at: Date.now() };
    queue.set(nonce, kept);
    store.keep(keyOf(nonce), kept);
    if (awaited === null) flush();
    return nonce;
  }

  function flush() {
    if (gone || !queue.size || !send) return;
    awaited = `${mount}-${++turn}`;
    send.setStateValue("outbox", { scope, turn: awaited, entries: [...queue.values()] });
    wait();
  }

  function wait() {
    clearTimeout(timer);
    timer = setTimeout(look, patience);
  }

  // Nothing came back: is the server there? Either way the answers are sent again.
  async function look() {
    const there = await fetch(health, { cache: "no-store" }).then(
      (answer) => answer.ok,
      () => false,
    );
    if (gone) return;
    patience = there ? Math.min(LONGEST_PATIENCE_MS, patience * 2) : PATIENCE_MS;
    if (lost !== !there) {
      lost = !there;
      changed();
    }
    if (!queue.size) awaited = null;
    else if (there) flush();
    else wait();
  }

  const offline = () => {
    lost = true;
    changed();
    wait();
  };
  window.addEventListener("offline", offline);
  window.addEventListener("online", look);
  const before = store.keys().flatMap((key) => (key.startsWith(keyOf("")) ? (store.recall(key) ?? []) : []));
  for (const entry of before.sort((a, b) => a.at - b.at)) queue.set(entry.nonce, entry);

  return {
    put,
    entries: () => [...queue.values()],
    lost: () => lost,
    size: () => queue.size,
    // Python's word on what it has: `taken` nonces are done with, whatever became of them.
    /** @param {Component} component @param {string} echo @param {string[]} taken */
    hear(component, echo, taken) {
      const first = send === null;
      send = component;
      for (const nonce of taken) {
        if (queue.delete(nonce)) store.forget(keyOf(nonce));
      }
      if (awaited !== null && echo === awaited) {
        awaited = null;
        lost = false;
        patience = PATIENCE_MS;
        clearTimeout(timer);
      }
      if (first || awaited === null) flush();
    },
    destroy() {
      gone = true;
      clearTimeout(timer);
      window.removeEventListener("offline", offline);
      window.removeEventListener("online", look);
    },
  };
}

/** @param {Outbox} outbox */
function lostText(outbox) {
  const n = outbox.size();
  const kept = n ? `${n} answer${n === 1 ? " is" : "s are"} kept in this browser and sent when it is back.` : "";
  return `No connection to the server. ${kept}`;
}

// Where a key press means something to somebody else: a field, a menu, a dialog.
/** @param {KeyboardEvent} event @param {EventTarget} root */
export function typingElsewhere(event, root) {
  if (event.composedPath().includes(root)) return false;
  return Boolean(document.querySelector("[role=dialog]")) || takenElsewhere(event, root);
}

// Shows on a card what is not saved yet, and that the connection is lost.
/** @param {HTMLElement} root @param {Outbox} outbox */
export function paintSaving(root, outbox) {
  root.dataset.unsaved = String(outbox.size());
  root.classList.toggle("saving", outbox.size() > 0);
  const banner = /** @type {HTMLElement} */ (root.querySelector(".banner"));
  banner.hidden = !outbox.lost();
  banner.textContent = outbox.lost() ? lostText(outbox) : "";
}
