// Draws the charts that the page's JSON block describes, and sorts its tables.
"use strict";

const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const MANY_LINES = 8;
const look = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function spoken(value) {
  const size = Math.abs(value);
  return value !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(5)));
}

// Powers of ten alone, where there are two of them; `this` is the axis.
function powerOfTen(value) {
  const power = Math.floor(Math.log10(value) + 1e-9);
  const factor = Math.round(value / 10 ** power);
  if (Math.abs(value / 10 ** power - factor) > 1e-6) return "";
  if (factor !== 1 && (this.max >= 100 * this.min || ![2, 5].includes(factor))) return "";
  const ten = "10" + [...String(power)].map((sign) => SUPERSCRIPTS[sign]).join("");
  return factor === 1 ? ten : `${factor}·${ten}`;
}

function axis(title, logarithmic, least, most) {
  return {
    min: least ?? undefined,
    max: most ?? undefined,
    type: logarithmic ? "logarithmic" : "linear",
    title: { display: true, text: title, color: look("--quiet") },
    grid: { color: look("--grid") },
    border: { color: look("--rule") },
    ticks: { color: look("--quiet"), maxRotation: 0, includeBounds: false, ...(logarithmic ? { callback: powerOfTen } : {}) },
  };
}

function datasetsOfLines(chart) {
  return chart.lines.flatMap((line) => {
    const x = chart.axes[line.x];
    const colour = line.reference ? look("--reference") : line.colour;
    const few = line.y.filter((value) => value !== null).length < 3;
    const common = { line, stepped: chart.stepped ? "middle" : false, pointRadius: 0, pointHitRadius: 6 };
    const data = (values) => values.map((y, i) => ({ x: x[i], y }));
    const edge = { ...common, band: true, borderWidth: 0, pointHoverRadius: 0, pointRadius: x.length < 3 ? 2 : 0, backgroundColor: colour + "20", order: 2 };
    const bands = line.low
      ? [{ ...edge, data: data(line.low), fill: false }, { ...edge, data: data(line.high), fill: "-1" }]
      : [];
    const own = {
      ...common,
      data: data(line.y),
      borderColor: line.reference ? colour + "88" : colour,
      backgroundColor: chart.stepped && line.reference ? colour + "22" : colour,
      fill: chart.stepped && line.reference ? "origin" : false,
      borderWidth: line.reference ? 3.5 : 1.6,
      borderDash: line.dash || [],
      pointRadius: few ? 4 : 0,
      order: line.reference ? 3 : 1,
    };
    return [...bands, own];
  });
}

function datasetsOfGroups(chart) {
  return chart.groups.map((group) => ({
    line: group,
    data: group.x.map((x, i) => ({ x, y: group.y[i] })).map((point) => (point.x === null ? { x: null, y: null } : point)),
    showLine: group.joined,
    borderColor: group.colour,
    backgroundColor: group.colour,
    borderWidth: 1.4,
    borderDash: group.dash,
    pointRadius: 4.5,
    pointHoverRadius: 6.5,
  }));
}

function tooltip(chart) {
  const label = (item) => {
    const line = item.dataset.line;
    const i = item.dataIndex;
    if (chart.kind === "scatter") {
      const which = line.labels.length ? `${line.name}, ${line.labels[i]}` : line.name;
      return `${which}: ${spoken(line.x[i])}, ${spoken(line.y[i])}`;
    }
    const edge = (value) => (value === null ? "diverged" : spoken(value));
    const band = line.low ? ` (${edge(line.low[i])} to ${edge(line.high[i])})` : "";
    return ` ${line.name}: ${edge(line.y[i])}${band}`;
  };
  return {
    // A line and the edges of its band are one thing to a reader.
    filter: (item, index, all) => all.findIndex((other) => other.dataset.line === item.dataset.line) === index,
    callbacks: { title: (items) => (chart.kind === "line" && items.length ? spoken(items[0].parsed.x) : ""), label },
  };
}

function legend(place, drawn, entries) {
  const isShown = (entry) => buttons.get(entry).getAttribute("aria-pressed") === "true";
  const set = (entry, visible) => buttons.get(entry).setAttribute("aria-pressed", String(visible));
  const update = () => {
    // Bands of many lines would hide the lines.
    const few = entries.filter(isShown).length <= MANY_LINES;
    drawn.data.datasets.forEach(({ line, band }, i) => drawn.setDatasetVisibility(i, isShown(line) && (few || !band)));
    drawn.update();
  };
  const add = (text, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", () => { act(); update(); });
    place.append(button);
    return button;
  };
  place.replaceChildren();
  const buttons = new Map();
  for (const entry of entries) {
    const button = add(entry.name, () => set(entry, !isShown(entry)));
    const colour = entry.reference ? look("--reference") : entry.colour;
    const sample = `<svg width="22" height="8" aria-hidden="true"><line x1="0" x2="22" y1="4" y2="4" stroke="${colour}"`;
    const style = entry.reference ? 'stroke-width="4" opacity="0.55"' : `stroke-width="2" stroke-dasharray="${entry.dash}"`;
    button.insertAdjacentHTML("afterbegin", `${sample} ${style}/></svg>`);
    button.setAttribute("aria-pressed", "true");
    buttons.set(entry, button);
  }
  if (entries.length > MANY_LINES) {
    add("show all", () => entries.forEach((entry) => set(entry, true))).className = "all";
    add("hide all", () => entries.forEach((entry) => set(entry, false))).className = "all";
  }
  update();
}

// Lines go from edge to edge; a single point stays in the middle of an axis of its own.
function fitToLines(drawn, chart) {
  const [min, max] = [Math.min(...chart.axes.map((x) => x[0])), Math.max(...chart.axes.map((x) => x.at(-1)))];
  if (max > min) Object.assign(drawn.options.scales.x, { min, max });
  drawn.update();
}

function draw(canvas, chart) {
  const isLine = chart.kind === "line";
  const entries = isLine ? chart.lines : chart.groups;
  // Where lines are many, what is under the pointer; where they are few, all of them at that place.
  const near = isLine && entries.length <= MANY_LINES ? "x" : "xy";
  const drawn = new Chart(canvas, {
    type: isLine ? "line" : "scatter",
    data: { datasets: isLine ? datasetsOfLines(chart) : datasetsOfGroups(chart) },
    options: {
      animation: false,
      parsing: false,
      normalized: isLine,
      maintainAspectRatio: false,
      interaction: { mode: "nearest", axis: near, intersect: false },
      scales: { x: axis(chart.xTitle, chart.logX), y: axis(chart.yTitle, chart.logY, chart.least, chart.most) },
      plugins: { legend: { display: false }, tooltip: tooltip(chart) },
    },
  });
  if (isLine) fitToLines(drawn, chart);
  legend(canvas.closest("figure").querySelector(".legend"), drawn, entries);
  return drawn;
}

function sortBy(heading) {
  const table = heading.closest("table");
  const headings = [...table.querySelectorAll("th")];
  const column = headings.indexOf(heading);
  const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const key = (row) => row.cells[column].dataset.key;
  const compare = (a, b) => {
    if (key(a) === undefined || key(b) === undefined) {
      // Numbers before text, whichever way they are sorted, so that gaps end up last.
      if (key(a) !== key(b)) return key(a) === undefined ? 1 : -1;
      return direction * row_text(a).localeCompare(row_text(b));
    }
    return direction * (Number(key(a)) - Number(key(b)));
  };
  const row_text = (row) => row.cells[column].textContent;
  headings.forEach((other) => other.setAttribute("aria-sort", "none"));
  heading.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

function start() {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  let drawn = [];
  const drawAll = () => {
    drawn.forEach((chart) => chart.destroy());
    drawn = [...document.querySelectorAll("canvas[data-chart]")].map((canvas) => draw(canvas, charts[canvas.dataset.chart]));
  };
  if (charts.length) {
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    drawAll();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  }
  document.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => sortBy(button.closest("th"))));
}

start();
