// The share view: the link as text, whether it holds the step, and buttons that copy it.

import { element, write } from "../dom.js";
import { asLatex, asMarkdown, linkTo } from "./link.js";

const POLL_MS = 200; // the address bar and the playhead are read this often while the view is open
const COPIED_MS = 2000; // "Copied" stays this long

/** @type {[string, (link: string, title: string) => string][]} */
const FORMS = [
  ["Copy link", (link) => link],
  ["Markdown", asMarkdown],
  ["LaTeX", asLatex],
];

export class Share {
  link = "";
  title = "";
  /** Whether the reader chose about the step. */
  touched = false;
  copiedTimer = 0;

  /**
   * @param {HTMLElement} root
   * @param {{ steps: boolean }} data whether the address of this page has a step of the playhead
   */
  constructor(root, { steps }) {
    this.steps = steps;
    root.dataset.qnvizShare = "";
    const label = element("label", "qnviz-share-label", root);
    element("span", "", label).textContent = "Link to what you see";
    const readonly = { type: "text", readonly: "", spellcheck: "false" };
    this.field = element("input", "qnviz-share-link", label, readonly);
    this.field.addEventListener("focus", () => this.field.select());
    this.choice = element("label", "qnviz-share-choice", root);
    this.pinned = element("input", "", this.choice, { type: "checkbox" });
    this.step = element("span", "", this.choice);
    this.pinned.addEventListener("change", () => {
      this.touched = true;
      this.refresh();
    });
    const row = element("div", "qnviz-share-row", root);
    this.buttons = FORMS.map(([name, form]) => {
      const button = element("button", "qnviz-share-copy", row, { type: "button" });
      button.textContent = name;
      button.addEventListener("click", () => this.copy(button, form));
      return button;
    });
    this.status = element("p", "qnviz-share-status", root, { role: "status" });
    this.poll = setInterval(() => this.refresh(), POLL_MS);
    this.refresh();
  }

  /** Read the page: its address, its playhead. */
  refresh() {
    /** @type {HTMLElement | null} */
    const player = this.steps ? document.querySelector("[data-qnviz-player][data-frame]") : null;
    this.choice.hidden = !player;
    if (!this.touched) this.pinned.checked = /[?&]step=/.test(location.search);
    const frame = player && this.pinned.checked ? Number(player.dataset.frame) : null;
    const now = player?.querySelector(".qnviz-slider")?.getAttribute("aria-valuetext") ?? "";
    write(this.step, `Stand still at ${now}; without this it plays from the start`);
    this.link = linkTo(location.href, frame);
    if (this.field.value !== this.link) this.field.value = this.link;
    const page = [...new Set(["qnviz", document.title])].join(": ");
    this.title = frame === null ? page : `${page}, step ${frame}`;
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {(link: string, title: string) => string} form
   */
  async copy(button, form) {
    this.refresh();
    const text = form(this.link, this.title);
    if (await copied(text)) {
      button.textContent = "Copied";
      write(this.status, "");
      clearTimeout(this.copiedTimer);
      this.copiedTimer = window.setTimeout(() => {
        this.buttons.forEach((each, k) => write(each, FORMS[k][0]));
      }, COPIED_MS);
      return;
    }
    this.field.value = text;
    this.field.focus();
    this.field.select();
    clearInterval(this.poll); // what is selected stays
    write(this.status, "This browser does not let a page copy: press Ctrl+C or ⌘C.");
  }

  update() {
    this.refresh();
  }

  destroy() {
    clearInterval(this.poll);
    clearTimeout(this.copiedTimer);
  }
}

/**
 * Put text on the clipboard; false where the browser refuses.
 *
 * @param {string} text
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text); // there is none on a page that came by plain http
    return true;
  } catch {
    const area = element("textarea", "qnviz-share-aside", document.body, { readonly: "" });
    const before = document.activeElement;
    area.value = text;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus();
    return done;
  }
}
