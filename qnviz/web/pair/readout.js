// The numbers beside the picture: sliders, the sentence, ratios, and eigenvalues against bounds.

import { element, svg, write } from "../dom.js";
import { dot, times } from "../engine/pair.js";
import { say } from "../numbers.js";
import { DASHED } from "./shapes.js";

/** @import { Updates } from "../engine/pair.js" */
/** @import { Values } from "./payload.d.ts" */

/** @typedef {"mu1" | "mu2"} Mu */

const ROWS = /** @type {const} */ ([
  ["none", "undamped"],
  ["powell", "Powell"],
  ["double", "double"],
]);

export class Readout {
  /**
   * @param {Element} parent
   * @param {(name: Mu, value: number) => void} onMu
   */
  constructor(parent, onMu) {
    this.box = element("div", "qnviz-pair-readout", parent);
    const sliders = element("div", "qnviz-pair-sliders", this.box);
    this.sliders = [slider("mu1", "μ₁", sliders, onMu), slider("mu2", "μ₂", sliders, onMu)];
    this.sentence = element("p", "qnviz-pair-sentence", this.box);
    this.live = element("p", "qnviz-pair-hidden", this.box, { "aria-live": "polite" });
    this.ratios = this.table("Powell's ratio and the second ratio", [
      ["ratio", "before", "after", "at least", "kept"],
      ["sᵀy / yᵀHy", "", "", "", ""],
      ["s̃ᵀy / s̃ᵀs̃", "", "", "", ""],
    ]);
    this.products = element("p", "qnviz-pair-products", this.box);
    this.spectra = this.table("Eigenvalues of H⁺ and their bounds", [
      ["H⁺", "λ min", "pair ≥", "a priori ≥", "λ max", "pair ≤", "a priori ≤"],
      ...ROWS.map(([, title]) => [title, "", "", "", "", "", ""]),
    ]);
    ROWS.forEach(([name], i) => this.spectra[i + 1][0].before(lineSample(name)));
    this.note = element("p", "qnviz-pair-note", this.box);
  }

  /**
   * A table with row and column heads; gives where the texts of its cells stand.
   *
   * @param {string} label
   * @param {string[][]} texts
   */
  table(label, texts) {
    const table = element("table", "", this.box, { "aria-label": label });
    return texts.map((row, r) => {
      const line = element("tr", "", table);
      return row.map((text, c) => {
        const head = r === 0 ? { scope: "col" } : { scope: "row" };
        const cell = r && c ? element("td", "", line) : element("th", "", line, head);
        const place = element("span", "", cell);
        place.textContent = text;
        return place;
      });
    });
  }

  /**
   * @param {Values} state
   * @param {Updates | null} result null where the state has no update
   * @param {string} sentence
   */
  show(state, result, sentence) {
    for (const { name, text, input, symbol } of this.sliders) {
      const value = state[name];
      write(text, `${symbol} = ${say(value)}`);
      if (Number(input.value) !== value) input.value = String(value);
      input.style.setProperty("--at", input.value);
    }
    write(this.sentence, sentence);
    this.numbers(state, result);
  }

  /**
   * @param {Values} state
   * @param {Updates | null} result
   */
  numbers({ H, s, y, mu1, mu2 }, result) {
    const pair = result?.double.pair.usable ? result.double.pair : null;
    fill(this.ratios[1], [
      pair ? say(pair.ratio1_before) : "–",
      pair ? say(pair.ratio1_after) : "–",
      `μ₁ = ${say(mu1)}`,
      pair ? `θ₁ = ${say(pair.theta1)}` : "–",
    ]);
    fill(this.ratios[2], [
      pair ? say(pair.ratio2_before) : "–",
      pair ? say(pair.ratio2_after) : "–",
      `μ₂ = ${say(mu2)}`,
      pair ? `θ₂ = ${say(pair.theta2)}` : "–",
    ]);
    const products = [`sᵀy = ${say(dot(s, y))}`, `yᵀHy = ${say(dot(y, times(H, y)))}`];
    if (pair) {
      products.push(`s̃ᵀỹ = ${say(pair.sy)}`, `c₁ = ${say(pair.c1)}`, `c₂ = ${say(pair.c2)}`);
    }
    write(this.products, products.join("   "));
    /** @param {number} value */
    const bound = (value) => (Number.isNaN(value) ? "none" : say(value));
    ROWS.forEach(([name], i) => {
      const u = result?.[name];
      const texts = u?.changed
        ? [
            say(u.low),
            bound(u.pair_low),
            bound(u.apriori_low),
            say(u.high),
            bound(u.pair_high),
            bound(u.apriori_high),
          ]
        : Array(6).fill("–");
      fill(this.spectra[i + 1], texts);
    });
  }

  /**
   * Read out what was found, once the reader's hand rests.
   *
   * @param {string} text
   */
  announce(text) {
    write(this.live, text);
  }
}

/**
 * @param {Mu} name
 * @param {string} symbol
 * @param {Element} parent
 * @param {(name: Mu, value: number) => void} onMu
 */
function slider(name, symbol, parent, onMu) {
  const label = element("label", "", parent);
  const text = element("span", "", label);
  const range = { type: "range", min: 0.001, max: 0.999, step: 0.001, "aria-label": symbol };
  const input = element("input", "", label, range);
  input.addEventListener("input", () => onMu(name, Number(input.value)));
  return { name, symbol, text, input };
}

/**
 * A piece of the line that a damping has in the picture.
 *
 * @param {string} name
 */
function lineSample(name) {
  const box = { width: 26, height: 8, class: "qnviz-pair-sample", "aria-hidden": "true" };
  const mark = svg("svg", null, box);
  svg("path", mark, {
    d: "M0 4H26",
    class: `qnviz-pair-curve is-${name}`,
    "stroke-dasharray": DASHED[name]?.join(" ") ?? "none",
  });
  return mark;
}

/**
 * Write the cells of a row after its head.
 *
 * @param {Element[]} cells
 * @param {string[]} texts
 */
function fill(cells, texts) {
  texts.forEach((text, i) => write(cells[i + 1], text));
}
