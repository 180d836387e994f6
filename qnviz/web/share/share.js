// The share view: the link as text, whether it holds the step, and buttons that copy it.

import { element, write } from "../dom.js";
import { asLatex, asMarkdown, linkTo } from "./link.js";

const LOOK_MS = 200; // the address bar and the playhead are read this often while the view is open
const SAID_MS = 2000; // "Copied" stays this long

const playerOnPage = () => document.querySelector("[data-qnviz-player][data-frame]");

class Share {
  constructor(root, data) {
    this.steps = data.steps; // whether the address of this page has a step of the playhead
    root.dataset.qnvizShare = "";
    this.root = root;
    this.touched = false; // whether the reader chose about the step
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
      this.look();
    });
    const row = element("div", "qnviz-share-row", root);
    this.buttons = [
      this.button(row, "Copy link", (link) => link),
      this.button(row, "Markdown", asMarkdown),
      this.button(row, "LaTeX", asLatex),
    ];
    this.said = element("p", "qnviz-share-said", root, { role: "status" });
    this.clock = setInterval(() => this.look(), LOOK_MS);
    this.look();
  }

  button(row, name, form) {
    const button = element("button", "qnviz-share-copy", row, { type: "button" });
    button.textContent = name;
    button.addEventListener("click", () => this.copy(button, name, form));
    return button;
  }

  /** Read the page: its address, its playhead. */
  look() {
    const player = this.steps ? playerOnPage() : null;
    this.choice.hidden = !player;
    const frame = player ? Number(player.dataset.frame) : null;
    if (!this.touched) this.pinned.checked = /[?&]step=/.test(location.search);
    const now = player?.querySelector(".qnviz-slider")?.getAttribute("aria-valuetext") ?? "";
    write(this.step, `Stand still at ${now}; without this it plays from the start`);
    this.link = linkTo(location.href, player && this.pinned.checked ? frame : null);
    if (this.field.value !== this.link) this.field.value = this.link;
    this.title = [
      [...new Set(["qnviz", document.title])].join(": "),
      player && this.pinned.checked ? `step ${frame}` : "",
    ]
      .filter(Boolean)
      .join(", ");
  }

  async copy(button, name, form) {
    this.look();
    const text = form(this.link, this.title);
    if (await copied(text)) {
      button.textContent = "Copied";
      write(this.said, "");
      clearTimeout(this.wait);
      this.wait = setTimeout(() => {
        for (const [k, b] of this.buttons.entries())
          b.textContent = ["Copy link", "Markdown", "LaTeX"][k];
      }, SAID_MS);
      return;
    }
    this.field.value = text;
    this.field.focus();
    this.field.select();
    clearInterval(this.clock); // what is selected stays
    write(this.said, "This browser lets no page copy here: press Ctrl+C or ⌘C.");
  }

  update() {
    this.look();
  }

  destroy() {
    clearInterval(this.clock);
    clearTimeout(this.wait);
  }
}

/** Put text on the clipboard; false where the browser refuses. */
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
    before?.focus?.();
    return done;
  }
}

export function mountShare(root, data) {
  return new Share(root, data);
}
