// Small tools for the elements of a page.

/** @typedef {Record<string, string | number>} Attributes */

/**
 * A new element of the page, at the end of its parent.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [className]
 * @param {Element | null} [parent]
 * @param {Attributes} [attributes]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, className = "", parent = null, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  parent?.append(node);
  return node;
}

/**
 * A new element of a drawing, at the end of its parent.
 *
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Element | null} parent
 * @param {Attributes} attributes
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, parent, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  parent?.append(node);
  return node;
}

export const ICONS = {
  play: "M4 2.2v11.6L13.5 8z",
  pause: "M3.5 2.5h3.2v11H3.5zM9.3 2.5h3.2v11H9.3z",
  back: "M3 3h2v10H3zM13 3v10L6 8z",
  forward: "M11 3h2v10h-2zM3 3v10l7-5z",
  sliders:
    "M1 4h6.2a2 2 0 0 1 3.6 0H15v1.4h-4.2a2 2 0 0 1-3.6 0H1zm0 6.6h2.2a2 2 0 0 1 3.6 0H15V12H6.8a2 2 0 0 1-3.6 0H1z",
  flag: "M3 1.5h1.6V2H13l-2 3.2 2 3.3H4.6v6H3z",
};

/**
 * An icon, and the path that draws it.
 *
 * @param {keyof typeof ICONS} name
 * @param {Element} parent
 */
export function icon(name, parent) {
  const box = svg("svg", parent, {
    viewBox: "0 0 16 16",
    "aria-hidden": "true",
    class: "qnviz-icon",
  });
  return { box, path: svg("path", box, { d: ICONS[name], fill: "currentColor" }) };
}

/**
 * Set a text only when it changed, since every write costs a layout; gives whether it did.
 *
 * @param {Element} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

/**
 * A text whose lines end between words alone: not within K-BFGS(L), nor before a unit.
 *
 * @param {Element} node
 * @param {string} text
 */
export function unbroken(node, text) {
  const words = text.split(/(?<!=) (?![%×=])/).map((word) => {
    const box = document.createElement("span");
    box.style.whiteSpace = "nowrap";
    box.textContent = word;
    return box;
  });
  node.replaceChildren(...words.flatMap((word, i) => (i ? [" ", word] : [word])));
}

/**
 * Give a canvas its size on the page, and the pixels that the screen has for it; gives how many
 * there are to one of the page's. What has its size keeps its drawing.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  return ratio;
}
