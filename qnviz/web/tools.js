// Pure helpers and small DOM and drawing tools of the linked player.

// ---- pure helpers ---------------------------------------------------------------------------

const ARRAY_TYPES = {
  f8: Float64Array, f4: Float32Array, i4: Int32Array, u4: Uint32Array,
  i2: Int16Array, u2: Uint16Array, i1: Int8Array, u1: Uint8Array,
};

/** A column of the payload as numbers: a list (null is NaN) or Plotly's {dtype, bdata}. */
export function decode(column) {
  if (Array.isArray(column)) return Float64Array.from(column, (v) => (v === null ? NaN : v));
  if (ArrayBuffer.isView(column)) return column;
  const Type = ARRAY_TYPES[column?.dtype];
  if (!Type || typeof column.bdata !== "string") throw new Error("a column is not an array");
  return new Type(Uint8Array.from(atob(column.bdata), (c) => c.charCodeAt(0)).buffer);
}

/** The last index whose clock is at most `value`, or 0 before the first. */
export function indexAt(clock, value) {
  // float32 clocks meet float64 playheads, so equal times may differ in the last bits.
  const limit = value + 1e-7 * Math.abs(value);
  let low = 0;
  let high = clock.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (clock[middle] <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A number as people write it: 3.2e-5, 0.031, 12.4. */
export function formatNumber(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  const size = Math.abs(value);
  if (size > 0 && (size < 1e-3 || size >= 1e5)) {
    return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
  }
  if (size >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(size < 1 ? 2 : 3)));
}

const significant = (value, digits) => Number(value.toPrecision(digits));
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** The payload, checked and decoded; its errors are sentences for the reader. */
function readModel(payload) {
  if (!payload || typeof payload !== "object") throw new Error("there is no payload");
  for (const name of ["clock", "entrants", "panels", "rows"]) {
    if (!payload[name]) throw new Error(`the payload has no ${name}`);
  }
  const frames = decode(payload.clock.frames);
  if (!frames.length) throw new Error("the clock has no frames");
  const known = new Set(["@words", ...payload.panels.map((panel) => panel.id)]);
  const shown = payload.rows.flat();
  for (const id of shown) if (!known.has(id)) throw new Error(`a row names no panel: ${id}`);
  const entrants = payload.entrants.map((entrant) => readEntrant(entrant, frames));
  const panels = payload.panels.filter((panel) => shown.includes(panel.id));
  for (const panel of panels) {
    for (const option of [panel, ...(panel.choices ?? [])]) {
      const owners = [...(option.heads ?? []), ...(option.strip?.rows ?? []), ...(option.cloud ? [option.cloud] : [])];
      for (const owner of owners) {
        if (!entrants[owner.entrant]) throw new Error(`panel ${panel.id} shows something of no entrant`);
      }
    }
  }
  return { ...payload.clock, frames, entrants, panels, rows: payload.rows, value: payload.value ?? "Loss" };
}

function readEntrant(entrant, frames) {
  const clock = decode(entrant.clock);
  const last = clock.length - 1;
  if (last < 0) throw new Error(`the clock of ${entrant.title} is empty`);
  const limit = clock[last] * (1 + 1e-7);
  return {
    ...entrant,
    clock,
    loss: decode(entrant.loss),
    last,
    index: Int32Array.from(frames, (value) => indexAt(clock, value)),
    // who is behind in a run that still grows has no end yet
    over: Uint8Array.from(frames, (value) => Boolean(entrant.end) && value > limit),
  };
}

// ---- small DOM and drawing tools -------------------------------------------------------------

function element(tag, className, parent, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent?.append(node);
  return node;
}

function svg(tag, parent, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent?.append(node);
  return node;
}

const ICONS = {
  play: "M4 2.2v11.6L13.5 8z",
  pause: "M3.5 2.5h3.2v11H3.5zM9.3 2.5h3.2v11H9.3z",
  back: "M3 3h2v10H3zM13 3v10L6 8z",
  forward: "M11 3h2v10h-2zM3 3v10l7-5z",
  flag: "M3 1.5h1.6V2H13l-2 3.2 2 3.3H4.6v6H3z",
};

function icon(name, parent) {
  const box = svg("svg", parent, { viewBox: "0 0 16 16", "aria-hidden": "true", class: "qnviz-icon" });
  return svg("path", box, { d: ICONS[name], fill: "currentColor" });
}

/** Set a text only when it changed, since every write costs a layout; says whether it did. */
function write(node, text) {
  if (node.written === text) return false;
  node.written = text;
  node.textContent = text;
  return true;
}

/** A text whose lines end between words alone: not within K-BFGS(L), nor before a unit. */
function unbroken(node, text) {
  const words = text.split(/(?<!=) (?![%×=])/).map((word) => {
    const box = document.createElement("span");
    box.style.whiteSpace = "nowrap";
    box.textContent = word;
    return box;
  });
  node.replaceChildren(...words.flatMap((word, i) => (i ? [" ", word] : [word])));
}

const DASHES = { dot: "2 3", dash: "6 3", dashdot: "6 3 2 3", longdash: "10 4" };

const polygon = (points) => `M${points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}Z`;
const turned = (points) => points.map(([x, y]) => [(x - y) * Math.SQRT1_2, (x + y) * Math.SQRT1_2]);

/** Markers as SVG paths around 0, so that the legend and the canvas draw the very same shape. */
const MARKERS = {
  circle: (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  square: (r) => polygon([[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([x, y]) => [x * 0.89 * r, y * 0.89 * r])),
  diamond: (r) => polygon([[0, -1], [1, 0], [0, 1], [-1, 0]].map(([x, y]) => [x * 1.2 * r, y * 1.2 * r])),
  "triangle-up": (r) => polygon([[0, -1.2 * r], [1.15 * r, 0.85 * r], [-1.15 * r, 0.85 * r]]),
  cross: (r) => polygon(plus(r)),
  x: (r) => polygon(turned(plus(r))),
  star: (r) => polygon(Array.from({ length: 10 }, (_, i) => {
    const [angle, size] = [(i * Math.PI) / 5, (i % 2 ? 0.55 : 1.3) * r];
    return [Math.sin(angle) * size, -Math.cos(angle) * size];
  })),
};

function plus(r) {
  const [a, b] = [0.42 * r, 1.15 * r];
  return [
    [-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a],
    [a, b], [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a],
  ];
}

const markerPath = (shape, r) => (MARKERS[shape] ?? MARKERS.circle)(r);

/** A sample of an entrant's line (left out when `width` is small) and marker. */
function sample(entrant, width, parent) {
  const viewBox = `${-width / 2} -7 ${width} 14`;
  const box = svg("svg", parent, { width, height: 14, viewBox, "aria-hidden": "true" });
  if (width > 16) {
    svg("path", box, {
      d: `M${-width / 2} 0H${width / 2}`, stroke: entrant.color, "stroke-width": 2,
      "stroke-dasharray": DASHES[entrant.dash] ?? "none",
    });
  }
  svg("path", box, { d: markerPath(entrant.marker, 4.5), fill: entrant.color });
}

/** Plotly, loaded once a page, without touching a window.Plotly that somebody else put there. */
function loadPlotly(url) {
  if (window.QnvizPlotly) return Promise.resolve(window.QnvizPlotly);
  window.QnvizPlotlyPromise ??= new Promise((resolve, reject) => {
    const others = { Plotly: window.Plotly, moduleName: window.moduleName };
    const script = element("script", "", document.head, { src: url });
    const fail = () => {
      script.remove();
      window.QnvizPlotlyPromise = undefined; // the next data change may try again
      reject(new Error(`plotly.js did not load from ${url}`));
    };
    script.onerror = fail;
    script.onload = () => {
      const ours = window.Plotly;
      // A server that answers every address with its page "loads" as well.
      if (!ours?.react || ours === others.Plotly) return fail();
      for (const [name, value] of Object.entries(others)) {
        if (value === undefined) delete window[name];
        else window[name] = value;
      }
      resolve((window.QnvizPlotly = ours));
    };
  });
  return window.QnvizPlotlyPromise;
}
