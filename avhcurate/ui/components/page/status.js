// Says on every page what is saved, and what was refused until that was read; a download waits for what is being saved.

import { countUnsaved, listen, SIGNED_OUT, whyLost } from "../outbox.js";
import { element } from "../shared.js";

/** @import { Answered } from "../events.js" */

const PATIENCE_MS = 10_000; // of a download
const HOW_TO_SIGN_IN =
  "You are signed out. Load this page again to sign in: this browser keeps your decisions until then.";
const DOWNLOADS = "[data-testid=stDownloadButton] button, a[href*='/exports/']";
const STYLE = `
:host { position: fixed; inset: 0 9rem auto auto; z-index: 999991; height: 3.75rem; display: flex; align-items: center;
  font: 0.8125rem "Source Sans", sans-serif; color: light-dark(#4a5266, #b9c0cf); pointer-events: none; }
.refused { position: fixed; top: 4rem; left: 50%; transform: translateX(-50%); width: max-content; max-width: 90vw;
  box-sizing: border-box; display: flex; gap: 12px; align-items: center; padding: 10px 14px; border-radius: 8px;
  pointer-events: auto; color: light-dark(#7a2e0b, #ffd8b8); background: light-dark(#fff1e6, #43260f);
  box-shadow: 0 6px 24px rgb(0 0 0 / 25%); }
.lost, .saving { color: light-dark(#7a2e0b, #ffb27a); font-weight: 600; }
[hidden] { display: none; }
button { font: inherit; padding: 4px 12px; cursor: pointer; }
`;

let parts = /** @type {Record<"host" | "text" | "refused" | "why" | "read", HTMLElement> | null} */ (null);
let unread = /** @type {string[]} */ ([]); // why something was refused

const app = () => /** @type {HTMLElement} */ (document.querySelector("[data-testid=stApp]"));

// Of the page itself, where Streamlit takes nothing away.
function drawn() {
  if (parts) return parts;
  const host = element("div", { id: "avhcurate-saving", role: "region", ariaLabel: "Saving" }, document.body);
  const root = host.attachShadow({ mode: "open" });
  element("style", { textContent: STYLE }, root);
  const text = element("span", "text", root);
  const refused = element("div", { className: "refused", role: "alert", hidden: true }, root);
  const why = element("span", "", refused);
  const read = element("button", { type: "button", textContent: "OK" }, refused);
  read.onclick = () => {
    unread = [];
    paintStatus();
  };
  parts = { host, text, refused, why, read };
  new MutationObserver(paintStatus).observe(app(), { attributeFilter: ["class"] }); // it changes with the theme
  return parts;
}

/** @param {number} n */
function statusText(n) {
  if (whyLost()) return `${whyLost()}, ${n} kept here`;
  return n ? `${n} being saved` : "all saved";
}

export function paintStatus() {
  const { host, text, refused, why, read } = drawn();
  host.style.colorScheme = getComputedStyle(app()).colorScheme;
  const n = countUnsaved();
  text.textContent = statusText(n);
  text.classList.toggle("lost", whyLost() !== "");
  text.classList.toggle("saving", n > 0);
  const signedOut = whyLost() === SIGNED_OUT;
  refused.hidden = !unread.length && !signedOut;
  read.hidden = signedOut;
  why.textContent = signedOut ? HOW_TO_SIGN_IN : refusedText();
}

function refusedText() {
  const reasons = [...new Set(unread)].join(" ");
  return unread.length > 1 ? `${unread.length} decisions were not saved: ${reasons}` : `Not saved: ${reasons}`;
}

/** @param {Answered} one */
export function showRefused({ why }) {
  unread = [...unread, why];
  paintStatus();
}

// A file that is made now would lack what is on its way: the click waits for that.
export function holdDownloads() {
  document.addEventListener(
    "click",
    (event) => {
      const button = /** @type {Element} */ (event.target).closest?.(DOWNLOADS);
      if (!button || !countUnsaved()) return;
      event.preventDefault();
      event.stopPropagation();
      clickWhenSaved(/** @type {HTMLElement} */ (button));
    },
    true,
  );
}

/** @param {HTMLElement} button */
function clickWhenSaved(button) {
  const end = listen({
    changed() {
      if (countUnsaved()) return;
      stop();
      button.click();
    },
  });
  const timer = setTimeout(() => {
    stop();
    unread = [...unread, "The file would lack decisions that are not saved yet. Download it again when all is saved."];
    paintStatus();
  }, PATIENCE_MS);
  function stop() {
    end();
    clearTimeout(timer);
  }
}
