// How the review card draws a suspect: its labels, its evidence and the images next to it.

import { element } from "../shared.js";
/** @import { Review } from "../messages.js" */

/** @typedef {Review.Suspect} Suspect */

/** @param {HTMLElement} root @param {Suspect} suspect */
export function drawSuspect(root, suspect) {
  /** @param {string} name @returns {any} */
  const part = (name) => root.querySelector(`.${name}`);
  part("lead").textContent = suspect.lead;
  part("facts").textContent = suspect.facts;
  drawLabels(part("labels"), suspect);
  drawEvidence(part("evidence").querySelector("tbody"), suspect.rows);
  drawStrips(part("near"), suspect.strips);
  const accept = suspect.suggested ? `Accept ${suspect.suggested}` : "Accept";
  for (const [name, text] of [
    ["accept", accept],
    ["keep", `Keep ${suspect.given}`],
  ]) {
    /** @type {Element} */ (root.querySelector(`[data-do=${name}] span`)).textContent = text;
  }
}

/** @param {Element} labels @param {Suspect} suspect */
function drawLabels(labels, { given, suggested, name }) {
  labels.replaceChildren();
  const says = [
    ["quiet", "labelled "],
    ["given", given],
  ];
  if (suggested) says.push(["quiet", " · suggested "], ["suggested", suggested]);
  for (const [className, text] of [...says, ["quiet", ` · ${name}`]]) {
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
