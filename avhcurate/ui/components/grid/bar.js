// The bar below a grid: how many images are selected, and buttons for what can be done with them.

import { element } from "../shared.js";
/** @import { Grid } from "../messages.js" */

/** @typedef {Grid.Button} Action */

/** @param {import("./grid.js").Grid} grid */
export function createBar(grid) {
  const node = grid.part("bar");
  const count = element("span", { className: "chosen", role: "status" }, node);
  const everything = element("button", { className: "plain", onclick: () => grid.selection.set(grid.everything()) });
  const nothing = element("button", {
    className: "plain",
    onclick: () => grid.selection.set([]),
    textContent: "Clear",
  });
  let drawn = "";
  let buttons = /** @type {[Action, HTMLButtonElement][]} */ ([]); // [action, its button]

  /** @param {Action[]} actions */
  function draw(actions) {
    const names = JSON.stringify(actions.map(({ name }) => name));
    if (names === drawn) return;
    drawn = names;
    buttons = actions.map((action) => [action, element("button", "")]);
    const about = (/** @type {boolean} */ always) =>
      buttons.filter(([action]) => action.always === always).map(([, button]) => button);
    node.replaceChildren(count, ...about(false), everything, nothing, element("span", "space"), ...about(true));
  }

  return {
    // `total` rows, of which some are selected.
    /** @param {Action[]} actions @param {number} selected @param {number} total */
    update(actions, selected, total) {
      node.hidden = !actions.length;
      draw(actions);
      count.hidden = nothing.hidden = !selected;
      count.textContent = selected ? `${selected.toLocaleString("en")} selected` : "";
      everything.hidden = !total || selected === total;
      everything.textContent = `Select all ${total.toLocaleString("en")} that match`;
      actions.forEach((action, at) => {
        const button = buttons[at][1];
        button.className = action.primary ? "primary" : action.always ? "plain" : "";
        button.hidden = !action.always && !selected;
        button.disabled = action.disabled;
        button.title = action.help;
        button.dataset.name = action.name;
        button.onclick = () => grid.press(action);
        if (button.textContent !== action.icon + action.label) {
          button.replaceChildren();
          element("span", { className: "icon", textContent: action.icon, ariaHidden: "true" }, button);
          element("span", { textContent: action.label }, button);
        }
      });
    },
  };
}
