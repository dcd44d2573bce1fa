// The bar below a grid: how many images are selected, and buttons for what can be done with them.

import { element } from "../shared.js";
/** @import { Grid } from "../messages.js" */

// `press(action)` is called for a button of the page's, `all()` and `none()` select.
/**
 * @typedef {Grid.Button} Action
 * @param {HTMLElement} node
 * @param {{ press: (action: any) => void, all: () => void, none: () => void }} does
 */
export function createBar(node, { press, all, none }) {
  const count = element("span", "chosen", node);
  count.setAttribute("role", "status");
  const everything = element("button", "plain");
  const nothing = element("button", "plain");
  everything.onclick = all;
  nothing.onclick = none;
  nothing.textContent = "Clear";
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
        button.onclick = () => press(action);
        if (button.textContent !== action.icon + action.label) {
          button.replaceChildren();
          const icon = element("span", "icon", button);
          icon.textContent = action.icon;
          icon.setAttribute("aria-hidden", "true");
          element("span", "", button).textContent = action.label;
        }
      });
    },
  };
}
