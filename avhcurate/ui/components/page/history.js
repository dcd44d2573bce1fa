// Where Back leads: to what somebody saw, and at once.

const WAY_BACK = "gallery.back"; // stands in addresses of the gallery alone

// `heard()` tells the server that the browser knows the newest address, so that an older one is meant.
/** @param {() => Promise<unknown>} heard */
export function watchHistory(heard) {
  const push = history.pushState.bind(history);
  // A page that leads to the gallery has its address for a moment, which nobody sees.
  history.pushState = (state, unused, url) => {
    const to = new URL(url ?? "", location.href);
    if (to.searchParams.has(WAY_BACK) && !to.pathname.endsWith("/gallery")) return;
    push(state, unused, url);
  };
  // The page calls it before Streamlit hears of it, which asks the server at once.
  window.wentBack = async (event) => {
    if (!event.isTrusted) return;
    event.stopImmediatePropagation();
    await heard().catch(() => undefined);
    dispatchEvent(new PopStateEvent("popstate", { state: event.state }));
  };
}
