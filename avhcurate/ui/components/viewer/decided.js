// What is decided of the image that is shown: its label, its tags, whether it is excluded.

import { element, partOf } from "../shared.js";
/** @import { Row } from "../events.js" */

// `untag(tag)` takes a tag away; `closed` says why nothing can be decided, "" where it can.
/** @param {HTMLElement} node @param {Row} row @param {string} closed @param {(tag: string) => void} untag */
export function drawDecided(node, row, closed, untag) {
  /** @param {string} name */
  const button = (name) => /** @type {HTMLElement} */ (node.querySelector(`[data-do=${name}]`));
  /** @type {Element} */ (button("label").querySelector("span")).textContent = row.title;
  button("restore").hidden = row.title === row.given;
  button("exclude").ariaChecked = String(row.muted);
  button("exclude").textContent = row.muted ? "Excluded" : "Exclude";
  drawTags(
    partOf(node, "tags"),
    row.badges.filter((tag) => !(row.muted && tag === "excluded")),
    untag,
  );
  node.title = closed;
  for (const one of node.querySelectorAll("button")) one.disabled = Boolean(closed);
}

/** @param {HTMLElement} list @param {string[]} tags @param {(tag: string) => void} untag */
function drawTags(list, tags, untag) {
  if (list.dataset.of === tags.join()) return;
  list.dataset.of = tags.join();
  list.replaceChildren();
  for (const tag of tags) {
    const button = element("button", { textContent: `${tag} ×`, title: "Remove this tag" }, list);
    button.onclick = () => untag(tag);
  }
}
