// The bar below a grid: how many images are selected, and buttons for what can be done with them, or with a whole group.

import { element } from "../shared.js";
/** @import { Grid } from "../messages.js" */

/** @typedef {Grid.Button} Action */

// What stands above a group: its title, and the buttons that are for all of its images.
/** @param {import("./grid.js").Grid} grid @param {import("./layout.js").Heading} heading */
export function drawHeading(grid, { title, places, lacks, asks }) {
  const node = element("div", { className: "heading", role: "rowheader" });
  element("span", { textContent: title, title }, node);
  for (const { name, group, disabled, help } of grid.data.actions?.bar ?? []) {
    if (!group || lacks.includes(name)) continue;
    const look = { textContent: group, disabled, title: help };
    const button = element("button", look, node);
    button.onclick = () => {
      if (!asks[name] || button.textContent === asks[name]) grid.actOn([places], name);
      else button.textContent = asks[name];
    };
  }
  return node;
}

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
    // `total` rows, of which some are selected; an action without a label is for groups alone.
    /** @param {Action[]} all @param {number} selected @param {number} total */
    update(all, selected, total) {
      const actions = all.filter(({ label }) => label);
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
        Object.assign(button.dataset, { name: action.name, do: action.asks });
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
