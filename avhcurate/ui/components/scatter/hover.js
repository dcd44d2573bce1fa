// The card under the pointer: the thumbnail of a sample and up to three lines of words.

const HOVER_GAP = 14; // pixels between the pointer and the card

/** @param {HTMLElement} card */
export function createHover(card) {
  const image = /** @type {HTMLImageElement} */ (card.querySelector("img"));
  const lines = ["title", "line", "value"].map((name) => /** @type {Element} */ (card.querySelector(`.${name}`)));

  // `id` null and `source` "": words alone.
  /** @param {string[]} words @param {{ id: number | string, source: string }} image @param {MouseEvent} pointer */
  function show(words, { id, source }, pointer) {
    lines.forEach((line, index) => (line.textContent = words[index]));
    const pictured = source !== "";
    card.classList.toggle("bare", !pictured);
    image.hidden = !pictured;
    if (pictured && image.getAttribute("src") !== source) image.src = source;
    card.dataset.id = pictured ? String(id) : "";
    card.hidden = false;
    place(pointer);
  }

  /** @param {MouseEvent} pointer */
  function place(pointer) {
    const { width, height } = card.getBoundingClientRect();
    const right = pointer.clientX + HOVER_GAP + width > window.innerWidth;
    const low = pointer.clientY + HOVER_GAP + height > window.innerHeight;
    const x = right ? pointer.clientX - HOVER_GAP - width : pointer.clientX + HOVER_GAP;
    const y = low ? pointer.clientY - HOVER_GAP - height : pointer.clientY + HOVER_GAP;
    card.style.transform = `translate(${Math.max(0, x)}px, ${Math.max(0, y)}px)`;
  }

  function hide() {
    card.hidden = true;
  }

  window.addEventListener("scroll", hide, true);
  return { show, hide, destroy: () => window.removeEventListener("scroll", hide, true) };
}
