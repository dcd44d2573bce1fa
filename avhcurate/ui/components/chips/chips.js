// The conditions in force as chips: a chip shows and goes at once, before Python has heard of it.

export default mounted(createChips);

function createChips(parent) {
  const root = parent.querySelector(".chips");
  const talk = createTalk({ lost: paint });
  let chips = []; // { key, text, left }
  let chosen = new Map(); // key of a facet -> its new texts, until Python has drawn them

  function shown() {
    const gone = new Set(talk.pending().map(({ sent }) => sent.text));
    const kept = chips.filter(({ key, text }) => !chosen.has(key) && !gone.has(text));
    const added = [...chosen].flatMap(([key, texts]) => texts.map((text) => ({ key, text, comes: true })));
    return [...kept, ...added];
  }

  function paint() {
    const all = shown();
    root.replaceChildren(...all.map(draw));
    // Without chips there is no gap for them either.
    const box = root.getRootNode().host?.closest("[data-testid=stElementContainer]");
    if (box) box.style.display = all.length ? "" : "none";
  }

  function draw(chip) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Remove this filter.";
    button.disabled = Boolean(chip.comes);
    const cross = element("span", "cross");
    cross.textContent = "×";
    cross.setAttribute("aria-hidden", "true");
    button.append(chip.text, cross);
    button.onclick = () => {
      talk.act({ text: chip.text });
      dispatchEvent(new CustomEvent(CLEARED, { detail: { key: chip.key, ...chip.left } }));
      paint();
    };
    return button;
  }

  function hear({ detail: { key, texts } }) {
    chosen.set(key, texts);
    paint();
  }
  addEventListener(CHOSEN, hear);

  return {
    update(next, component) {
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", next.label);
      talk.hear(component, next.handled);
      chips = next.chips;
      chosen = new Map();
      paint();
    },
    destroy() {
      removeEventListener(CHOSEN, hear);
      talk.destroy();
    },
  };
}
