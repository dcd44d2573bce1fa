// Where Back leads: to what somebody saw, and at once; the address says what the page shows.

const WAY_BACK = "gallery.back"; // stands in addresses of the gallery alone

// `goingBack(backs)` tells the server how often the browser went back or forward, and that an older address is meant;
// false where it could not. What it returns hears of each page how often it knows of, and what it shows.
/** @param {(backs: number) => Promise<boolean>} goingBack @returns {(backs: number, query: string) => void} */
export function watchHistory(goingBack) {
  const push = history.pushState.bind(history);
  let backs = 0;
  let awaited = false; // the page of the address that the browser went to
  let asking = 0; // how often the server has not answered yet

  // Right after Back Streamlit replaces the address in place of adding one.
  for (const name of /** @type {const} */ (["pushState", "replaceState"])) {
    const write = history[name].bind(history);
    history[name] = (state, unused, url) => {
      const to = new URL(url ?? "", location.href);
      // A page that leads to the gallery has its address for a moment, which nobody sees.
      if (to.searchParams.has(WAY_BACK) && !to.pathname.endsWith("/gallery")) return;
      // What was asked for before Back comes after it.
      if (awaited && to.pathname === location.pathname) return;
      write(state, unused, url);
    };
  }

  // The page calls it before Streamlit hears of it, which asks the server at once.
  window.wentBack = async (event) => {
    if (!event.isTrusted) return;
    event.stopImmediatePropagation();
    backs += 1;
    awaited = true;
    asking += 1;
    const number = backs;
    const said = await goingBack(number);
    asking -= 1;
    if (number === backs) awaited = said;
    dispatchEvent(new PopStateEvent("popstate", { state: event.state }));
  };

  return (known, query) => {
    if (!awaited || asking || known !== backs) return;
    // A run that was asked for before Back may know of it too, so that the next one counts as well.
    if (sorted(query) === sorted(location.search)) awaited = false;
    else push({}, "", `${location.pathname}?${query}`);
  };
}

/** @param {string} query */
function sorted(query) {
  const parameters = new URLSearchParams(query);
  parameters.sort();
  return parameters.toString();
}
