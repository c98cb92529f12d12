"use strict";

/* Draws every panel of the page from the JSON that came with it. A panel has one or more views (tabs); a view has times
   (seconds, UTC), series, and levels (limits, drawn as dashed lines). Sorts tables. Nothing is fetched. */

const MONTH_SECONDS = 30.4375 * 86400;
const panels = JSON.parse(document.getElementById("panels").textContent);
const charts = new Map();
const sync = uPlot.sync("page");
let shown = null; // the time range in view, or null for all of it

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const faint = (colour) => colour + "24"; // the palette is #rrggbb; this is 14% opaque

function number(value, digits) {
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function compact(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return number(value / 1e9, 2) + "bn";
  if (size >= 1e7) return number(value / 1e6, 1) + "m";
  if (size >= 1e4) return number(value, 0);
  if (size >= 100) return number(value, 1);
  if (size >= 1) return number(value, 3);
  if (size >= 1e-4) return number(value, 5);
  return size < 1e-9 ? "0" : value.toPrecision(2);
}

function written(format, value) {
  if (value == null) return "–";
  return format === "percent" ? number(Number((value * 100).toFixed(2)) + 0, 2) + "%" : compact(value); // + 0: no -0.00%
}

/* As many digits as tell two ticks apart: a step of 0.025 needs three. */
function tick(format, value, step) {
  const scale = format === "percent" ? 100 : 1;
  let digits = 0;
  while (digits < 8 && Math.abs(step * scale * 10 ** digits - Math.round(step * scale * 10 ** digits)) > 1e-6) digits++;
  return number(value * scale, digits) + (format === "percent" ? "%" : "");
}

function lines(view) {
  return view.series.map((series) => {
    const colour = css(series.colour) || series.colour;
    return {
      label: series.label,
      stroke: colour,
      width: series.emphasis ? 2 : 1.4,
      fill: series.filled ? faint(colour) : undefined,
      fillTo: series.filled === "zero" ? 0 : undefined,
      paths: view.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
      points: { show: false },
      spanGaps: false,
      value: (_, value, at, index) => written(view.format, index == null ? series.values.at(-1) : value),
    };
  });
}

function valueAxis(view) {
  return {
    stroke: css("--muted"),
    font: "11px " + css("--font"),
    size: 62,
    gap: 6,
    grid: { stroke: css("--line"), width: 1 },
    ticks: { show: false },
    values: (_, splits, axis, space, step) => splits.map((value) => tick(view.format, value, step)),
  };
}

/* uPlot's table of (least step in seconds, format, then what a new year, month or day adds below). */
const day = 86400;
const TIME_FORMATS = [
  [365 * day, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * day, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [day, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

function timeAxis() {
  return {
    values: TIME_FORMATS,
    stroke: css("--muted"),
    font: "11px " + css("--font"),
    size: 44,
    gap: 6,
    space: 64,
    grid: { show: false },
    ticks: { stroke: css("--line"), width: 1, size: 5 },
  };
}

function options(panel, view, width) {
  return {
    width,
    height: panel.height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { sync: { key: sync.key, scales: ["x", null] }, points: { size: 6 }, drag: { x: true, y: false } },
    legend: { live: true, markers: { width: 0, fill: (chart, index) => chart.series[index].stroke(chart, index) } },
    scales: { x: shown ? { min: shown[0], max: shown[1] } : {}, y: { range: valueRange(view) } },
    series: [{ label: "", value: (_, seconds) => stamp(seconds ?? view.times.at(-1)) }, ...lines(view)],
    axes: [timeAxis(), valueAxis(view)],
    hooks: { setScale: [(chart, key) => key === "x" && follow(chart)], draw: [(chart) => drawLevels(chart, view)] },
  };
}

/* Levels that are always in sight count as values. */
function valueRange(view) {
  const kept = view.levels.filter((level) => level.kept).map((level) => level.value);
  return (_, low, high) => {
    if (low == null) return [0, 1];
    low = Math.min(low, ...kept);
    high = Math.max(high, ...kept);
    if (high - low < view.span) [low, high] = [(low + high - view.span) / 2, (low + high + view.span) / 2];
    if (low === high) return [low - Math.abs(low || 1) * 0.05, high + Math.abs(high || 1) * 0.05];
    const pad = (high - low) * 0.06;
    if (view.zero) return [Math.min(0, low - (low < 0 ? pad : 0)), Math.max(0, high + (high > 0 ? pad : 0))];
    return [low - pad, high + pad];
  };
}

function drawLevels(chart, view) {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.lineJoin = "round";
  ctx.font = `${11 * ratio}px ${css("--font")}`;
  ctx.textAlign = "right";
  const taken = []; // [y, left edge] of the labels so far: one that would cover another moves to its left
  for (const level of view.levels) {
    const y = chart.valToPos(level.value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = css(level.colour);
    ctx.setLineDash([5 * ratio, 4 * ratio]);
    ctx.lineWidth = ratio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    const text = `${level.label} ${written(view.format, level.value)}`;
    const near = taken.filter(([other]) => Math.abs(other - y) < 14 * ratio).map(([, left]) => left - 10 * ratio);
    const right = Math.min(bbox.left + bbox.width, ...near);
    ctx.setLineDash([]);
    ctx.strokeStyle = css("--card"); // a rim, so that it is read over a line
    ctx.lineWidth = 4 * ratio;
    ctx.strokeText(text, right, y - 4 * ratio);
    ctx.fillText(text, right, y - 4 * ratio);
    taken.push([y, right - ctx.measureText(text).width]);
  }
  ctx.restore();
}

function stamp(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
}

/* All charts show the same stretch of time: zooming one zooms all. */
let following = false;
function follow(source) {
  if (following) return;
  const { min, max } = source.scales.x;
  if (min == null) return;
  setRange([min, max], source);
}

function setRange(range, source) {
  following = true;
  shown = range;
  for (const { chart } of charts.values()) {
    if (chart !== source) chart.setScale("x", { min: range[0], max: range[1] });
  }
  following = false;
}

function draw(panel, index) {
  const host = document.querySelector(`[data-panel="${panel.id}"]`);
  charts.get(panel.id)?.chart.destroy();
  const view = panel.views[index];
  const data = [view.times, ...view.series.map((series) => series.values)];
  const chart = new uPlot(options(panel, view, host.clientWidth), data, host);
  sync.sub(chart);
  charts.set(panel.id, { chart, panel, index });
  host.closest(".panel").querySelector(".unit").textContent = view.unit;
  host.closest(".panel").querySelectorAll(".tabs button").forEach((button, at) => {
    button.setAttribute("aria-pressed", at === index);
  });
}

function addTabs(panel) {
  const tabs = document.querySelector(`[data-panel="${panel.id}"]`).closest(".panel").querySelector(".tabs");
  if (panel.views.length < 2) return;
  panel.views.forEach((view, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = view.label;
    button.addEventListener("click", () => draw(panel, index));
    tabs.append(button);
  });
}

function span() {
  const stamps = panels.flatMap((panel) => panel.views.map((view) => view.times));
  return [Math.min(...stamps.map((times) => times[0])), Math.max(...stamps.map((times) => times[times.length - 1]))];
}

function addRangeButtons() {
  const bar = document.querySelector(".ranges");
  if (!bar) return;
  const [first, last] = span();
  const choices = [["All", null], ["1Y", 12], ["6M", 6], ["3M", 3], ["1M", 1]];
  for (const [label, months] of choices) {
    if (months && last - first < months * MONTH_SECONDS) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", () => setRange([months ? last - months * MONTH_SECONDS : first, last], null));
    bar.append(button);
  }
  setRange([first, last], null);
}

function addFilter() {
  const box = document.getElementById("order-filter");
  if (!box) return;
  const rows = [...document.querySelectorAll("#order-rows tr")];
  const count = document.getElementById("order-count");
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let visible = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      visible += row.hidden ? 0 : 1;
    }
    count.textContent = `${visible} of ${rows.length}`;
  });
}

/* A table whose header cells hold buttons: a click sorts by that column, the next one the other way round. */
function addSorting(table) {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(a.cells[column].textContent, b.cells[column].textContent) * (down ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}

/* Numbers as numbers, what is not there last, everything else as text. */
function compare(a, b) {
  const [x, y] = [a, b].map((text) => Number.parseFloat(text.replace("−", "-").replaceAll(",", "")));
  if (Number.isNaN(x) && Number.isNaN(y)) return a.localeCompare(b);
  return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(y) - Number.isNaN(x) : x - y;
}

function redraw() {
  for (const { panel, index } of [...charts.values()]) draw(panel, index);
}

for (const panel of panels) {
  addTabs(panel);
  draw(panel, 0);
}
if (panels.length) addRangeButtons();
addFilter();
document.querySelectorAll("table.sortable").forEach(addSorting);

new ResizeObserver(() => {
  for (const { chart, panel } of charts.values()) {
    const width = document.querySelector(`[data-panel="${panel.id}"]`).clientWidth;
    if (width && width !== chart.width) chart.setSize({ width, height: panel.height });
  }
}).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
matchMedia("print").addEventListener("change", redraw); // paper is light
