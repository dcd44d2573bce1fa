// Brightness, contrast and gamma of what is on screen; the image itself stays as it is.

/** @type {Record<string, { low: number, high: number, keys: string[] }>} */
const LIGHTS = {
  brightness: { low: 0.2, high: 3, keys: ["[", "]"] },
  contrast: { low: 0.2, high: 3, keys: ["{", "}"] },
  gamma: { low: 0.3, high: 3, keys: ["<", ">"] },
};
const LIGHT_STEP = 0.1;
const LIGHT_RESET = "\\";

// `changed()` is called when the light is another.
/** @param {HTMLFormElement} form @param {HTMLElement} shown @param {() => void} changed */
export function createLight(form, shown, changed) {
  /** @param {string} name */
  const field = (name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  /** @param {string} name */
  const output = (name) => /** @type {HTMLOutputElement} */ (field(name).nextElementSibling);

  /** @param {string} name */
  function value(name) {
    return Number(field(name).value);
  }

  const plain = () => Object.keys(LIGHTS).every((name) => value(name) === 1);

  function draw() {
    for (const name of Object.keys(LIGHTS)) {
      output(name).value = value(name).toFixed(1);
    }
    for (const one of form.querySelectorAll("[type=gamma]")) one.setAttribute("exponent", String(1 / value("gamma")));
    const curve = value("gamma") === 1 ? "" : "url(#viewer-gamma)";
    const filter = `brightness(${value("brightness")}) contrast(${value("contrast")}) ${curve}`;
    shown.style.setProperty("--light", plain() ? "none" : filter);
    changed();
  }

  for (const [name, { low, high, keys }] of Object.entries(LIGHTS)) {
    Object.assign(field(name), { min: low, max: high, step: LIGHT_STEP, defaultValue: 1, title: keys.join(" and ") });
    output(name).value = "1.0";
  }
  form.oninput = draw;
  form.onreset = () => setTimeout(draw);
  form.onsubmit = (event) => event.preventDefault();

  return {
    // What a key does; null where it means nothing.
    /** @param {string} key */
    meaning(key) {
      if (key === LIGHT_RESET) return () => form.reset();
      const name = Object.keys(LIGHTS).find((one) => LIGHTS[one].keys.includes(key));
      if (!name) return null;
      return () => {
        field(name)[key === LIGHTS[name].keys[0] ? "stepDown" : "stepUp"]();
        draw();
      };
    },
    changed: () => !plain(),
  };
}
