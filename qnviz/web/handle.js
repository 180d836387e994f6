// The handle of one setting: a slider with a box to type into, or a list to choose from.

import { element, write } from "./dom.js";
import { nudged, PLACES, placeOf, read, valueAt, written } from "./scale.js";

/** @import { ChoiceField, Field, NumberField } from "./player/payload.d.ts" */

/**
 * What a handle does with its setting.
 *
 * @typedef {object} Hand
 * @property {(field: Field, value: number | string) => void} change while it is in the hand
 * @property {() => void} release the hand is lifted
 * @property {() => void} cancel the hand changed nothing after all
 * @property {(words: string, wrong?: boolean) => void} note what is to be said of the setting
 */

const REST_MS = 250; // keys rest so long before the value is reported
const ECHO_MS = 5000; // a payload made before a report may come in for so long

/** A slider, and its number as text that can be typed. */
export class NumberHandle {
  /** @type {number | null} the value before the hand took it, while it is in the hand */
  before = null;
  /** When the value was last reported, until a payload has it. */
  reportedAt = -Infinity;
  /** Whether the rest of a drag is to be ignored, as it was cancelled. */
  cancelled = false;
  resting = 0;

  /**
   * @param {NumberField} field
   * @param {Element} parent
   * @param {Hand} hand
   */
  constructor(field, parent, hand) {
    this.field = field;
    this.hand = hand;
    this.value = field.value;
    this.box = element("div", "qnviz-handle", parent);
    this.label = element("span", "qnviz-handle-label", this.box);
    const range = { type: "range", min: 0, max: PLACES, step: 1, "aria-label": field.label };
    this.slider = element("input", "qnviz-slider", this.box, range);
    this.text = element("input", "qnviz-handle-text", this.box, {
      type: "text",
      inputmode: field.kind === "int" ? "numeric" : "decimal",
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": `${field.label}, typed`,
    });
    this.listen();
    this.take(field);
  }

  listen() {
    const { slider, text } = this;
    slider.addEventListener("pointerdown", () => (this.cancelled = false));
    slider.addEventListener("input", () => this.drag());
    for (const type of ["change", "pointerup", "blur"]) {
      slider.addEventListener(type, () => this.drop());
    }
    slider.addEventListener("pointercancel", () => this.cancel());
    slider.addEventListener("keydown", (event) => this.key(event));
    text.addEventListener("focus", () => {
      text.value = exact(this.value);
      text.select();
    });
    text.addEventListener("change", () => this.type());
    text.addEventListener("blur", () => this.leave());
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      text.value = exact(this.value);
      this.clear();
      text.select();
    });
    for (const node of [slider, text]) {
      node.addEventListener("focus", () => this.hand.note(this.field.help));
    }
  }

  /**
   * The setting as a payload has it; what is in the hand, or on its way to Python, stays as it is.
   *
   * @param {NumberField} field
   */
  take(field) {
    this.field = field;
    write(this.label, field.label);
    this.box.title = field.help;
    this.box.classList.toggle("qnviz-idle", Boolean(field.idle));
    const late = performance.now() - this.reportedAt < ECHO_MS && field.value !== this.value;
    if (this.before !== null || late) return this.show();
    this.reportedAt = -Infinity;
    this.value = field.value;
    this.show();
  }

  show() {
    const place = placeOf(this.field, this.value);
    this.slider.value = String(place);
    this.slider.style.setProperty("--qnviz-part", String(place / PLACES));
    this.slider.setAttribute("aria-valuetext", written(this.value));
    const typing = this.text === document.activeElement || this.text.ariaInvalid === "true";
    if (!typing) this.text.value = written(this.value);
  }

  /** @param {number} value */
  move(value) {
    if (value === this.value) return this.show();
    this.before ??= this.value;
    this.value = value;
    this.clear();
    this.show();
    this.hand.change(this.field, value);
  }

  drag() {
    if (this.cancelled) return this.show();
    this.move(valueAt(this.field, Number(this.slider.value)));
  }

  drop() {
    clearTimeout(this.resting);
    if (this.before === null) return;
    this.before = null;
    this.reportedAt = performance.now();
    this.hand.release();
  }

  cancel() {
    clearTimeout(this.resting);
    if (this.before === null) return;
    this.value = this.before;
    this.before = null;
    this.cancelled = true;
    this.show();
    this.hand.cancel();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && this.before !== null) {
      event.stopPropagation(); // the row stays open
      this.cancel();
      return;
    }
    const value = nudged(this.field, this.value, event.key, event.shiftKey);
    if (value === null) return;
    event.preventDefault(); // the browser's own steps are of places
    this.move(value);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.drop(), REST_MS);
  }

  /** A value was typed. */
  type() {
    if (this.text.value === exact(this.value)) return this.clear();
    const value = read(this.field, this.text.value);
    if (value === null) {
      this.text.ariaInvalid = "true";
      this.hand.note(this.field.refusal, true);
      return;
    }
    this.move(value);
    this.drop();
  }

  /** The box is left: what is wrong stays, to be corrected. */
  leave() {
    if (this.text.value === exact(this.value)) this.clear();
    if (this.text.ariaInvalid !== "true") this.text.value = written(this.value);
  }

  clear() {
    if (this.text.ariaInvalid === "true") this.hand.note(this.field.help);
    this.text.ariaInvalid = "false";
  }
}

/** A list to choose from. */
export class ChoiceHandle {
  reportedAt = -Infinity;

  /**
   * @param {ChoiceField} field
   * @param {Element} parent
   * @param {Hand} hand
   */
  constructor(field, parent, hand) {
    this.field = field;
    this.hand = hand;
    this.box = element("label", "qnviz-handle", parent);
    this.label = element("span", "qnviz-handle-label", this.box);
    this.list = element("select", "qnviz-handle-list", this.box);
    for (const [value, text] of field.options) {
      element("option", "", this.list, { value }).textContent = text;
    }
    this.list.addEventListener("focus", () => hand.note(this.field.help));
    this.list.addEventListener("change", () => {
      this.reportedAt = performance.now();
      hand.change(this.field, this.list.value);
      hand.release();
    });
    this.take(field);
  }

  /** @param {ChoiceField} field */
  take(field) {
    this.field = field;
    write(this.label, field.label);
    this.box.title = field.help;
    this.box.classList.toggle("qnviz-idle", Boolean(field.idle));
    const late = performance.now() - this.reportedAt < ECHO_MS && field.value !== this.list.value;
    if (late) return;
    this.reportedAt = -Infinity;
    this.list.value = field.value;
  }
}

/**
 * A number with all of its digits, as it can be typed.
 *
 * @param {number} value
 */
const exact = (value) => String(value).replace("e+", "e");
