// The bar of a lesson. It knows at once where a key leads, so that quick presses are not lost.

import { element, write } from "../dom.js";

/**
 * Where a lesson stands, as Python sends it.
 *
 * @typedef {object} Lesson
 * @property {string} lesson its name
 * @property {string} title
 * @property {number} at its step, from 1 on
 * @property {string[]} steps their headings
 * @property {boolean} present whether it is shown in a lecture
 * @property {boolean} waits whether a question is yet to be revealed
 *
 * @typedef {{ at: number } | { present: boolean } | { reveal: number } | { index: true }} Request
 */

const NEXT = new Set(["PageDown", "n", "N"]);
const BACK = new Set(["PageUp", "p", "P"]);
const DARK = new Set(["b", "B", "."]);
const TYPING =
  "textarea, select, [contenteditable]:not([contenteditable=false]), [role=combobox], " +
  "[role=listbox], [role=textbox], " +
  "input:not([type=range]):not([type=radio]):not([type=checkbox]):not([type=button])";

export class Bar {
  /** @type {number[]} steps that Python was asked for and has not answered yet */
  asked = [];
  /** @type {number | null} the step whose question was revealed here */
  revealed = null;
  /** @type {HTMLButtonElement[]} */
  stepDots = [];
  at = 0;
  waits = false;
  stop = new AbortController();

  /**
   * @param {HTMLElement} root
   * @param {Lesson} data
   * @param {(request: Request) => void} ask
   */
  constructor(root, data, ask) {
    this.root = root;
    this.data = data;
    this.ask = ask;
    root.dataset.lessonBar = "";
    /** @type {HTMLElement} */
    this.nav = element("nav", "lesson-bar", root, { "aria-label": "Lesson" });
    this.button("All lessons", () => ask({ index: true }), "lesson-plain");
    this.title = element("span", "lesson-title", this.nav);
    this.back = this.button("Back", () => this.move(-1));
    this.back.title = "PageUp or p";
    this.dots = element("span", "lesson-dots", this.nav, { role: "group", "aria-label": "Steps" });
    this.count = element("span", "lesson-count", this.nav);
    this.next = this.button("Next", () => this.move(1), "lesson-next");
    this.next.title = "PageDown or n";
    this.presenting = this.button(
      "Present",
      () => ask({ present: !this.data.present }),
      "lesson-plain",
    );
    this.veil = element("div", "lesson-veil", document.body, { "aria-hidden": "true" });
    this.veil.hidden = true;
    this.veil.addEventListener("click", () => this.darken(false));
    document.addEventListener("keydown", (event) => this.key(event), {
      capture: true,
      signal: this.stop.signal,
    });
    this.list(data.steps);
    this.update(data);
  }

  /**
   * @param {string} label
   * @param {() => void} action
   */
  button(label, action, style = "") {
    const node = element("button", `lesson-button ${style}`, this.nav, { type: "button" });
    node.textContent = label;
    node.addEventListener("click", action);
    return node;
  }

  /** @param {Lesson} data */
  update(data) {
    const before = this.data;
    const same = before.lesson === data.lesson && before.steps.length === data.steps.length;
    const late = same && this.isLate(data.at, before.at);
    this.data = data;
    this.root.dataset.present = String(data.present);
    write(this.title, data.title);
    this.presenting.textContent = data.present ? "Leave" : "Present";
    this.presenting.title = data.present ? "Esc" : "Large type, nothing else on the screen";
    if (!same) this.list(data.steps);
    if (late) return;
    this.asked = [];
    if (this.revealed === data.at && data.waits) this.waits = false;
    else {
      this.revealed = null;
      this.waits = data.waits;
    }
    this.place(data.at);
  }

  /**
   * A dot for each step.
   *
   * @param {string[]} steps
   */
  list(steps) {
    this.dots.replaceChildren();
    this.stepDots = steps.map((heading, i) => {
      const label = `Step ${i + 1}: ${heading}`;
      const attributes = { type: "button", title: label, "aria-label": label };
      const dot = element("button", "lesson-dot", this.dots, attributes);
      dot.addEventListener("click", () => this.goTo(i + 1));
      return dot;
    });
  }

  /**
   * Whether the server speaks of a step that the reader has left for one that is yet to come.
   *
   * @param {number} at what it says now
   * @param {number} before what it said last
   */
  isLate(at, before) {
    if (!this.asked.length) return false;
    const answered = this.asked.lastIndexOf(at);
    if (answered >= 0) this.asked.splice(0, answered + 1);
    return answered >= 0 ? this.asked.length > 0 : at === before;
  }

  /** @param {number} at */
  place(at) {
    this.at = at;
    const last = this.data.steps.length;
    this.stepDots.forEach((dot, i) => {
      dot.toggleAttribute("data-done", i + 1 < at);
      if (i + 1 === at) dot.setAttribute("aria-current", "step");
      else dot.removeAttribute("aria-current");
    });
    write(this.count, `${at} of ${last}`);
    this.root.dataset.at = String(at);
    this.back.disabled = at <= 1;
    this.next.disabled = at >= last && !this.reveals;
    this.next.textContent = this.reveals ? "Reveal" : "Next";
  }

  /** In a lecture the answer comes before the next step. */
  get reveals() {
    return this.data.present && this.waits;
  }

  /** @param {1 | -1} by */
  move(by) {
    if (by > 0 && this.reveals) {
      this.waits = false;
      this.revealed = this.at;
      this.place(this.at);
      this.ask({ reveal: this.at });
    } else this.goTo(this.at + by);
  }

  /** @param {number} at */
  goTo(at) {
    if (at < 1 || at > this.data.steps.length || at === this.at) return;
    this.waits = false; // what the next step asks is known when it comes
    this.place(at);
    this.asked.push(at);
    this.ask({ at });
  }

  /** @param {boolean} on */
  darken(on) {
    this.veil.hidden = !on;
    this.root.dataset.dark = String(on);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!this.root.getClientRects().length) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest(TYPING)) return;
    const action = this.action(event.key);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) action();
  }

  /**
   * What a key does, or null.
   *
   * @param {string} name
   */
  action(name) {
    if (DARK.has(name)) return () => this.darken(Boolean(this.veil.hidden));
    if (!this.veil.hidden) {
      // whatever comes next is to be seen
      if (name === "Escape" || NEXT.has(name) || BACK.has(name)) return () => this.darken(false);
      return null;
    }
    if (NEXT.has(name)) return () => this.move(1);
    if (BACK.has(name)) return () => this.move(-1);
    if (name === "Escape" && this.data.present && !document.querySelector("[role=dialog]")) {
      return () => this.ask({ present: false });
    }
    return null;
  }

  destroy() {
    this.stop.abort();
    this.veil.remove();
    this.root.replaceChildren();
  }
}
