// Asks whether another window has changed what the page shows. While the page runs, or nobody looks, it does not ask.

import { createStore, mounted } from "../shared.js";

/** @import { Component } from "../events.js" */
/** @import { Changes } from "../messages.js" */

const PAST = "avhcurate:window"; // the name of this window's first session

export default mounted(createChanges);

function createChanges() {
  /** @type {Changes.Data} */
  let data;
  /** @type {Component} */
  let component;
  const store = createStore("sessionStorage");
  let asked = "";
  let timer = 0;

  const rests = () =>
    !document.hidden && document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]") !== null;

  function name() {
    const known = store.recall(PAST) ?? data.session;
    store.keep(PAST, known);
    return known;
  }

  async function look() {
    const { source, session } = data;
    if (rests() && asked !== source) {
      const address = `${source}&${new URLSearchParams({ session, window: name() })}`;
      const answer = await fetch(address, { cache: "no-store" }).catch(() => null);
      const changed = answer?.ok && (await answer.json()).changed;
      if (changed && rests() && source === data.source) {
        asked = source; // once
        component.setTriggerValue("changed", true);
      }
    }
    timer = setTimeout(look, data.every);
  }

  return {
    /** @param {Changes.Data} next @param {Component} sender */
    update(next, sender) {
      [data, component] = [next, sender];
      timer ||= setTimeout(look, 0);
    },
    destroy: () => clearTimeout(timer),
  };
}
