// Listens to a Plotly chart that Streamlit drew: a card with the thumbnail under the pointer, and what Python hears.

const LOOK_MS = 250; // Streamlit may replace the chart's element at any time
const SETTLE_MS = 350; // a wheel turns in many small steps

export default mounted(createListener);

function createListener(parent) {
  const card = createHover(parent.querySelector(".card"));
  let data = null;
  let send = null;
  let plot = null;
  let settling = null;

  // --- the card ------------------------------------------------------------------------------------

  function show(event) {
    const point = event.points?.[0];
    const custom = point?.customdata;
    if (!custom) return card.hide();
    const words = point.z !== undefined ? ofCell(point, custom) : custom[0] < 0 ? ofWeight(custom) : ofPoint(point, custom);
    const id = Number(custom[0]);
    const source = Number.isInteger(id) && id >= 0 ? data.thumbnail_url.replace("{id}", String(id)) : "";
    card.show(words, { id, source }, event.event);
  }

  function ofPoint(point, [id, label, predicted, score]) {
    const given = data.classes[label] ?? "no label";
    const found = data.classes[predicted];
    const words = [given, `image ${id}${found === undefined || found === given ? "" : `, predicted ${found}`}`, ""];
    const number = point["marker.color"];
    if (data.value && typeof number === "number") words[2] = `${data.value} ${Number(number.toPrecision(4))}`;
    else if (data.score && Number.isFinite(score)) words[2] = `${data.score} ${Number(score.toPrecision(4))}`;
    return words;
  }

  function ofWeight(custom) {
    return [data.classes[custom[1]] ?? `class ${custom[1]}`, "class weight", ""];
  }

  function ofCell(point, [, count, share]) {
    const number = Number(count).toLocaleString("en-US");
    const about = data.value
      ? `mean ${data.value} ${Number(point.z.toPrecision(4))}`
      : `${Math.round(share)} % ${data.groups[point.z] ?? ""}`;
    return [`${number} ${Number(count) === 1 ? "sample" : "samples"}`, about, "one of them"];
  }

  // --- what Python hears ---------------------------------------------------------------------------

  function tellRegion(event) {
    if (event?.lassoPoints) send.setTriggerValue("region", { lasso: [event.lassoPoints] });
    else if (event?.range) send.setTriggerValue("region", { box: [event.range] });
  }

  function tellWindow(change) {
    if (!Object.keys(change ?? {}).some((name) => /^[xy]axis\.range/.test(name))) return;
    card.hide();
    clearTimeout(settling);
    settling = setTimeout(() => {
      const { xaxis, yaxis } = plot._fullLayout;
      send.setTriggerValue("window", [...xaxis.range, ...yaxis.range].map(Number));
    }, SETTLE_MS);
  }

  function tellClick(event) {
    const point = event.points?.[0];
    const id = Number(point?.customdata?.[0]);
    if (point?.z === undefined && Number.isInteger(id) && id >= 0) send.setTriggerValue("clicked", id);
  }

  const heard = [
    ["plotly_hover", show], ["plotly_unhover", card.hide], ["plotly_selected", tellRegion], ["plotly_relayout", tellWindow],
    ["plotly_click", tellClick],
  ];

  function look() {
    const found = document.querySelector(`.st-key-${CSS.escape(data.chart)} .js-plotly-plot`);
    if (found === plot || !found?.on) return;
    card.hide();
    plot = found;
    for (const [name, react] of heard) plot.on(name, react);
    plot.dataset.heard = "1";
  }

  const looking = setInterval(() => data && look(), LOOK_MS);

  return {
    update(next, component) {
      data = next;
      send = component;
      look();
    },
    destroy() {
      clearInterval(looking);
      clearTimeout(settling);
      card.destroy();
      for (const [name, react] of heard) plot?.removeListener?.(name, react);
      plot = null;
    },
  };
}
