// The numbers beside the picture: sliders, the sentence, ratios, and eigenvalues against bounds.

import { element, svg, write } from "../dom.js";
import { dot, times } from "../engine/pair.js";
import { say } from "../numbers.js";
import { DASHED } from "./shapes.js";

const ROWS = [
  ["none", "undamped"],
  ["powell", "Powell"],
  ["double", "double"],
];

export class Readout {
  constructor(parent, onMu) {
    this.box = element("div", "qnviz-pair-readout", parent);
    const sliders = element("div", "qnviz-pair-sliders", this.box);
    this.sliders = ["mu1", "mu2"].map((name, i) => {
      const label = element("label", "", sliders);
      const text = element("span", "", label);
      const attributes = {
        type: "range",
        min: 0.001,
        max: 0.999,
        step: 0.001,
        "aria-label": `μ${"₁₂"[i]}`,
      };
      const input = element("input", "", label, attributes);
      input.addEventListener("input", () => onMu(name, Number(input.value)));
      return { name, text, input, symbol: `μ${"₁₂"[i]}` };
    });
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
    ROWS.forEach(([name], i) => {
      const head = this.spectra[i + 1][0];
      const mark = svg("svg", null, {
        width: 26,
        height: 8,
        class: "qnviz-pair-sample",
        "aria-hidden": "true",
      });
      svg("path", mark, {
        d: "M0 4H26",
        class: `qnviz-pair-curve is-${name}`,
        "stroke-dasharray": DASHED[name]?.join(" ") ?? "none",
      });
      head.prepend(mark);
    });
    this.note = element("p", "qnviz-pair-note", this.box);
  }

  /** A table with row and column heads; gives its cells. */
  table(label, texts) {
    const table = element("table", "", this.box, { "aria-label": label });
    return texts.map((row, r) => {
      const line = element("tr", "", table);
      return row.map((text, c) => {
        const cell = element(
          r && c ? "td" : "th",
          "",
          line,
          r && c ? {} : { scope: r ? "row" : "col" },
        );
        write(element("span", "", cell), text);
        return cell;
      });
    });
  }

  fill(cells, texts) {
    texts.forEach((text, i) => write(cells[i + 1].firstChild, text));
  }

  show(state, result, sentence) {
    for (const { name, text, input, symbol } of this.sliders) {
      const value = state[name];
      write(text, `${symbol} = ${say(value)}`);
      if (Number(input.value) !== value) input.value = value;
      input.style.setProperty("--at", input.value);
    }
    write(this.sentence, sentence);
    this.numbers(state, result);
  }

  numbers({ H, s, y, mu1, mu2 }, result) {
    const pair = result?.double.pair;
    const usable = pair?.usable;
    const said = (value) => (usable ? say(value) : "–");
    this.fill(this.ratios[1], [
      said(pair?.ratio1_before),
      said(pair?.ratio1_after),
      `μ₁ = ${say(mu1)}`,
      usable ? `θ₁ = ${say(pair.theta1)}` : "–",
    ]);
    this.fill(this.ratios[2], [
      said(pair?.ratio2_before),
      said(pair?.ratio2_after),
      `μ₂ = ${say(mu2)}`,
      usable ? `θ₂ = ${say(pair.theta2)}` : "–",
    ]);
    const products = [
      ["sᵀy", dot(s, y)],
      ["yᵀHy", dot(y, times(H, y))],
    ];
    if (usable) products.push(["s̃ᵀỹ", pair.sy], ["c₁", pair.c1], ["c₂", pair.c2]);
    write(this.products, products.map(([name, value]) => `${name} = ${say(value)}`).join("   "));
    ROWS.forEach(([name], i) => {
      const u = result?.[name];
      const bound = (value) => (Number.isNaN(value) ? "none" : say(value));
      this.fill(
        this.spectra[i + 1],
        u?.changed
          ? [
              say(u.low),
              bound(u.pair_low),
              bound(u.apriori_low),
              say(u.high),
              bound(u.pair_high),
              bound(u.apriori_high),
            ]
          : ["–", "–", "–", "–", "–", "–"],
      );
    });
  }

  /** Read out what was found, once the reader's hand rests. */
  announce(text) {
    write(this.live, text);
  }
}
