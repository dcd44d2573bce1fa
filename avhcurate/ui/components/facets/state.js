// What is chosen in a facet: as Python says, and with the acts on their way done.

/** @import { Facets } from "../messages.js" */

/** @typedef {Facets.Panel} Panel */
/** @typedef {Facets.FacetEvent} FacetEvent */

/** @param {number} number */
export const short = (number) => String(Number(Number(number).toPrecision(4)));

// A range is chosen by its ends, null for an open one; values are chosen one by one.
/** @param {Panel} panel @param {Facets.Bar} bar */
export function isOn({ shape, chosen }, bar) {
  if (shape !== "range") return chosen.includes(bar.value);
  const [low, high] = chosen;
  if (low === null && high === null) return false;
  return (
    (high === null || bar.low === null || bar.low <= high) && (low === null || bar.high === null || low <= bar.high)
  );
}

// The facets as they will be, without those that are to go.
/** @param {Panel[]} panels @param {FacetEvent[]} acts */
export function withActs(panels, acts) {
  return acts.reduce(
    (shown, act) => shown.flatMap((panel) => (panel.key === act.key ? withAct(panel, act) : [panel])),
    panels,
  );
}

/** @param {Panel} panel @param {FacetEvent} act @returns {Panel[]} */
function withAct(panel, { kind, values, low, high, find }) {
  if (kind === "remove") return [];
  if (kind === "find") return [{ ...panel, find: find ?? "" }];
  return [{ ...panel, chosen: kind === "range" ? [low, high] : (values ?? []) }];
}

// What the chip of a facet will say, "" for none.
/** @param {Panel} panel */
export function chipTexts(panel) {
  const { title, shape, chosen, bars, key } = panel;
  const named = title.replace(/ \(simulated votes\)| bin$/g, "");
  if (shape === "range") {
    const [low, high] = chosen.map((end) => (end === null ? null : short(end)));
    if (low === null && high === null) return [];
    if (high === null) return [`${named} from ${low}`];
    return [low === null ? `${named} to ${high}` : `${named} ${low}–${high}`];
  }
  const texts = chosen.map((value) => bars.find((bar) => bar.value === value)?.text ?? String(value ?? "none"));
  if (key === "tags") return texts.map((text) => `Tag ${text}`);
  return texts.length ? [`${named} ${texts.join(" or ")}`] : [];
}
