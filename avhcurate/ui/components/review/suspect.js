// How the review card draws a suspect: its labels, its evidence and the images next to it.

import { element, partOf } from "../shared.js";
import { others, suggestion } from "./decisions.js";

/** @import { Review } from "../messages.js" */

/** @typedef {Review.Suspect} Suspect */

/** @param {HTMLElement} root @param {Suspect} suspect */
export function drawSuspect(root, suspect) {
  partOf(root, "lead").textContent = suspect.lead;
  partOf(root, "facts").textContent = suspect.facts;
  drawLabels(partOf(root, "labels"), suspect);
  drawEvidence(/** @type {Element} */ (root.querySelector(".evidence tbody")), suspect.rows);
  drawStrips(partOf(root, "near"), suspect.strips);
  const chosen = suggestion(suspect);
  const accept = chosen ? `Accept ${chosen.name}` : "Accept";
  for (const [name, text] of [
    ["accept", accept],
    ["keep", `Keep ${suspect.given}`],
  ]) {
    /** @type {Element} */ (root.querySelector(`[data-do=${name}] span`)).textContent = text;
  }
}

// A button for each further class that is named; the first of them has a key.
/** @param {HTMLElement} root @param {Suspect} suspect @param {(choice: Review.NamedClass) => void} take */
export function drawOthers(root, suspect, take) {
  const box = partOf(root, "others");
  box.replaceChildren();
  others(suspect).forEach((choice, place) => {
    const button = element("button", { className: "do", type: "button", onclick: () => take(choice) }, box);
    if (!place) element("kbd", { textContent: "⇧A" }, button);
    element("span", { textContent: `Accept ${choice.name}` }, button);
  });
}

/** @param {Element} labels @param {Suspect} suspect */
function drawLabels(labels, suspect) {
  const { given, name } = suspect;
  const suggested = suggestion(suspect)?.name;
  labels.replaceChildren();
  const parts = [
    ["quiet", "labelled "],
    ["given", given],
  ];
  if (suggested) parts.push(["quiet", " · suggested "], ["suggested", suggested]);
  for (const [className, text] of [...parts, ["quiet", ` · ${name}`]]) {
    element(className === "quiet" ? "span" : "b", { className, textContent: text }, labels);
  }
}

/** @param {Element} body @param {Suspect["rows"]} rows */
function drawEvidence(body, rows) {
  body.replaceChildren();
  for (const row of rows) {
    const line = element("tr", row.doubts ? "doubts" : "", body);
    element("th", { textContent: row.source }, line);
    element("td", { className: "says", textContent: row.label }, line);
    element("td", { textContent: row.text }, line);
  }
}

/** @param {Element} near @param {Suspect["strips"]} strips */
function drawStrips(near, strips) {
  near.replaceChildren();
  for (const strip of strips) {
    const box = element("div", "strip", near);
    element("p", { className: "quiet", textContent: strip.title }, box);
    const row = element("div", "row", box);
    for (const src of strip.images) element("img", { alt: "", draggable: false, src }, row);
  }
}
