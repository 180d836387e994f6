// A page that was saved as a file: its data, and the theme in which it is seen.

/**
 * What Python writes into such a page.
 *
 * @typedef {object} Data
 * @property {"light" | "dark" | "auto"} theme in which the page opens
 * @property {Record<Theme, unknown>} payloads with references into the table
 * @property {unknown[]} table long texts and columns, which both themes share
 * @property {Record<string, any>} about
 *
 * @typedef {"light" | "dark"} Theme
 */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node;
}

/** @template Payload */
export class OfflinePage {
  /** @type {Data} */
  data = JSON.parse(byId("data").textContent ?? "");
  /** @type {Theme} */
  theme = "light";
  /** @type {Map<Theme, Payload>} */
  payloads = new Map();
  /** Whether the reader, or who saved the page, chose the theme. */
  chosen = this.data.theme !== "auto";

  /** @param {() => void} show called whenever the theme is another, at first too */
  constructor(show) {
    this.show = show;
    window.QnvizPlotly = window.Plotly; // it stands in this very file
  }

  /** Show the page, in the theme that was chosen or the system's. */
  begin() {
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const wanted = () => (system.matches ? "dark" : "light");
    byId("theme").addEventListener("click", () => {
      this.chosen = true;
      this.wear(this.theme === "dark" ? "light" : "dark");
    });
    system.addEventListener("change", () => {
      if (!this.chosen) this.wear(wanted());
    });
    this.wear(this.data.theme === "auto" ? wanted() : this.data.theme);
  }

  /** @param {Theme} name */
  wear(name) {
    this.theme = name;
    document.documentElement.dataset.theme = name;
    const other = name === "dark" ? "Light" : "Dark";
    const button = byId("theme");
    button.textContent = other;
    button.title = `${other} colours`;
    this.show();
  }

  /** @returns {Payload} of the theme */
  get payload() {
    const known = this.payloads.get(this.theme);
    if (known) return known;
    const payload = this.restored(this.data.payloads[this.theme]);
    this.payloads.set(this.theme, payload);
    return payload;
  }

  /**
   * A part of a payload with what stands in the table put back.
   *
   * @param {any} value
   * @returns {any}
   */
  restored(value) {
    if (Array.isArray(value)) return value.map((item) => this.restored(item));
    if (!value || typeof value !== "object") return value;
    if ("@" in value) return this.data.table[value["@"]];
    const entries = Object.entries(value).map(([name, item]) => [name, this.restored(item)]);
    return Object.fromEntries(entries);
  }
}

/** The page's fragment, without its #; what is written there is no news to who listens. */
export class Fragment {
  text = "";

  /** @param {(text: string) => void} arrived called with a fragment that is new */
  constructor(arrived) {
    this.arrived = arrived;
    window.addEventListener("hashchange", () => this.visit());
  }

  visit() {
    const text = window.location.hash.slice(1);
    if (text === this.text) return;
    this.text = text;
    this.arrived(text);
  }

  /** @param {string} text */
  write(text) {
    this.text = text;
    window.history.replaceState(null, "", `#${text}`);
  }
}
