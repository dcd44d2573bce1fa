// Facets: histograms and lists of values as buttons. A press, a drag over bars or two numbers become one event.

const FIND_MS = 350;

export default mounted(createBoard);

function worded(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const count = (number) => number.toLocaleString("en-US");
// For narrow columns: 1.8M of 1,790,699.
const compact = (number) => number < 1e6 ? count(number) : number.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 });
const short = (number) => String(Number(Number(number).toPrecision(4)));

function createBoard(parent) {
  const root = parent.querySelector(".facets");
  let send = null;
  let drag = null;
  let finding = null;
  let drawn = new Map(); // by key of the facet: what was drawn, and its element

  function tell(key, kind, more) {
    send.setTriggerValue("event", { key, kind, ...more });
  }

  // --- drawing -------------------------------------------------------------------------------------

  function draw(panel) {
    const section = worded("section", `facet ${panel.shape}`);
    section.setAttribute("role", "group");
    section.setAttribute("aria-label", panel.title);
    section.append(header(panel), panel.shape === "rows" ? rows(panel) : histogram(panel));
    if (panel.shape === "range") section.append(ends(panel));
    if (panel.more || panel.find) section.append(search(panel));
    return section;
  }

  function header(panel) {
    const top = worded("header");
    const title = worded("h3", "", panel.title);
    if (panel.help) title.title = panel.help;
    top.append(title, worded("span", "readout"));
    const chosen = panel.bars.some((bar) => bar.on) || panel.chosen.some((end) => end !== null);
    if (panel.removable || (chosen && panel.shape === "range")) {
      const remove = worded("button", "remove", "×");
      const what = panel.removable ? `Remove ${panel.title}` : `Any ${panel.title}`;
      remove.setAttribute("aria-label", what);
      remove.title = what;
      remove.dataset.at = "remove";
      remove.onclick = () => (panel.removable ? tell(panel.key, "remove") : tell(panel.key, "range", { low: null, high: null }));
      top.append(remove);
    }
    return top;
  }

  const says = (bar) => {
    const all = bar.samples > bar.matching ? ` of ${count(bar.samples)}` : "";
    return `${count(bar.matching)}${all}`;
  };

  function button(panel, bar, place, className) {
    const made = worded("button", className);
    made.setAttribute("aria-pressed", String(bar.on));
    made.setAttribute("aria-label", `${bar.text}: ${says(bar)} samples`);
    made.dataset.at = String(place);
    made.tabIndex = -1;
    const most = Math.max(1, ...panel.bars.map((one) => Math.max(one.samples, one.matching)));
    made.style.setProperty("--all", bar.samples / most);
    made.style.setProperty("--matching", bar.matching / most);
    made.classList.toggle("none", !bar.matching);
    const show = () => readout(made, `${bar.text} · ${says(bar)}`);
    made.addEventListener("pointerenter", show);
    made.addEventListener("focus", show);
    made.addEventListener("pointerleave", () => readout(made, ""));
    made.addEventListener("blur", () => readout(made, ""));
    return made;
  }

  function readout(inside, text) {
    const place = inside.closest(".facet")?.querySelector(".readout");
    if (place) place.textContent = text;
  }

  function rows(panel) {
    const list = worded("div", "list");
    panel.bars.forEach((bar, place) => {
      const row = button(panel, bar, place, "row");
      row.append(worded("span", "name", bar.text), worded("span", "count", count(bar.matching)));
      row.onclick = () => press(panel, bar, row);
      list.append(row);
    });
    return steerable(list, panel);
  }

  function histogram(panel) {
    const chart = worded("div", "chart");
    panel.bars.forEach((bar, place) => {
      const column = button(panel, bar, place, "bar");
      column.append(worded("span", "all"), worded("span", "matching"));
      if (panel.shape === "columns") {
        column.append(worded("span", "name", bar.text), worded("span", "count", compact(bar.matching)));
        column.onclick = () => press(panel, bar, column);
      } else {
        column.onpointerdown = (event) => event.button === 0 && start(panel, place, event);
        // A press of a key comes as a click without a pointer; a mouse has been heard already.
        column.onclick = (event) => event.detail === 0 && choose(panel, place, place);
      }
      chart.append(column);
    });
    return steerable(chart, panel);
  }

  function ends(panel) {
    const line = worded("div", "ends");
    [["low", "from", 0], ["high", "to", 1]].forEach(([name, word, side]) => {
      const input = worded("input");
      input.type = "number";
      input.step = "any";
      input.placeholder = short(panel.ends[side]);
      if (panel.chosen[side] !== null) input.value = short(panel.chosen[side]);
      input.setAttribute("aria-label", `${panel.title} ${word}`);
      input.dataset.at = name;
      input.onchange = () => {
        const range = { low: panel.chosen[0], high: panel.chosen[1] };
        range[name] = input.value === "" ? null : Number(input.value);
        if (range.low !== null && range.high !== null && range.low > range.high) range[name === "low" ? "high" : "low"] = null;
        tell(panel.key, "range", range);
      };
      line.append(input);
    });
    return line;
  }

  function search(panel) {
    const input = worded("input", "find");
    input.type = "search";
    input.value = panel.find;
    input.placeholder = panel.more ? `Find among ${count(panel.more)} more` : "Find";
    input.setAttribute("aria-label", `Find in ${panel.title}`);
    input.dataset.at = "find";
    input.oninput = () => {
      clearTimeout(finding);
      finding = setTimeout(() => tell(panel.key, "find", { find: input.value }), FIND_MS);
    };
    return input;
  }

  // --- choosing ------------------------------------------------------------------------------------

  function press(panel, bar, pressed) {
    const on = pressed.getAttribute("aria-pressed") !== "true";
    pressed.setAttribute("aria-pressed", String(on));
    tell(panel.key, "value", { value: bar.value, on });
  }

  /** The range of the bars between two places; the only one that is chosen, chosen again, is given up. */
  function choose(panel, from, to) {
    const [first, last] = [Math.min(from, to), Math.max(from, to)];
    const on = panel.bars.map((bar, place) => (bar.on ? place : -1)).filter((place) => place >= 0);
    const again = first === last && on.length === 1 && on[0] === first;
    tell(panel.key, "range", again ? { low: null, high: null } : { low: panel.bars[first].low, high: panel.bars[last].high });
  }

  function mark(chart, first, last) {
    [...chart.children].forEach((bar, place) => {
      bar.setAttribute("aria-pressed", String(place >= Math.min(first, last) && place <= Math.max(first, last)));
    });
  }

  function start(panel, place, event) {
    const chart = event.currentTarget.parentElement;
    drag = { panel, chart, from: place, to: place };
    chart.setPointerCapture(event.pointerId);
    chart.onpointermove = (move) => {
      const { left, width } = chart.getBoundingClientRect();
      const at = Math.floor(((move.clientX - left) / width) * panel.bars.length);
      drag.to = Math.max(0, Math.min(panel.bars.length - 1, at));
      mark(chart, drag.from, drag.to);
      const text = `${panel.bars[Math.min(drag.from, drag.to)].text.split("–")[0]}–${panel.bars[Math.max(drag.from, drag.to)].text.split("–").pop()}`;
      readout(chart, text);
    };
    chart.onpointerup = () => end(true);
    chart.onpointercancel = () => end(false);
  }

  function end(counts) {
    if (!drag) return;
    const { panel, chart, from, to } = drag;
    chart.onpointermove = chart.onpointerup = chart.onpointercancel = null;
    drag = null;
    if (counts) choose(panel, from, to);
  }

  /** One stop of the Tab key for a whole facet: arrows move among its buttons, with Shift they choose a range. */
  function steerable(list, panel) {
    const buttons = [...list.children];
    const home = Math.max(0, panel.bars.findIndex((bar) => bar.on));
    if (buttons[home]) buttons[home].tabIndex = 0;
    list.addEventListener("keydown", (event) => {
      const place = buttons.indexOf(event.target.closest("button"));
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -place, End: buttons.length - 1 - place }[event.key];
      if (step === undefined || place < 0) return;
      event.preventDefault();
      const next = Math.max(0, Math.min(buttons.length - 1, place + step));
      buttons[place].tabIndex = -1;
      buttons[next].tabIndex = 0;
      buttons[next].focus();
      if (event.shiftKey && panel.shape === "range") {
        list.dataset.from ??= String(place);
        mark(list, Number(list.dataset.from), next);
      }
    });
    list.addEventListener("keyup", (event) => {
      if (event.key !== "Shift" || list.dataset.from === undefined) return;
      const from = Number(list.dataset.from);
      delete list.dataset.from;
      choose(panel, from, buttons.findIndex((one) => one.tabIndex === 0));
    });
    return list;
  }

  return {
    update(data, component) {
      send = component;
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", data.label);
      const focused = root.getRootNode().activeElement;
      const within = focused?.closest?.(".facet")?.dataset.key;
      const at = focused?.dataset?.at;
      const next = new Map();
      for (const panel of data.panels) {
        const state = JSON.stringify(panel);
        const before = drawn.get(panel.key);
        const typing = before && within === panel.key && at === "find";
        let section = before?.section;
        if (before?.state !== state) {
          section = draw(panel);
          section.dataset.key = panel.key;
          const text = typing ? focused.value : null;
          const input = section.querySelector(".find");
          if (text !== null && input) input.value = text;
        }
        next.set(panel.key, { state, section });
      }
      const scrolled = [...next].map(([key]) => drawn.get(key)?.section.querySelector(".list")?.scrollTop ?? 0);
      drawn = next;
      root.replaceChildren(...[...next.values()].map((one) => one.section));
      [...next.values()].forEach((one, place) => {
        const list = one.section.querySelector(".list");
        if (list) list.scrollTop = scrolled[place];
      });
      if (within !== undefined && at !== undefined) {
        next.get(within)?.section.querySelector(`[data-at="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
      }
    },
    destroy() {
      clearTimeout(finding);
    },
  };
}
