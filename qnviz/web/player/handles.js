// The settings at the chips: a button for each entrant and for the run, which opens its handles in a
// row below the chips, above the pictures that they change.

import { element, icon, write } from "../dom.js";
import { ChoiceHandle, NumberHandle } from "../handle.js";

/** @import { Legend } from "./legend.js" */
/** @import { Edit, EntrantSettings, Field, HandlesPayload } from "./payload.d.ts" */
/** @import { Player } from "./player.js" */

/**
 * Whose settings a row has.
 *
 * @typedef {object} Owner
 * @property {string} id
 * @property {string} name of its settings: "Settings of K-BFGS"
 * @property {Field[]} fields
 * @property {string} idea what it is, in words
 * @property {EntrantSettings | null} entrant null for the run
 */

const RUN = "@run";
const NONE = "This method has no settings.";
let rows = 0; // on this page, so that each has an id of its own

export class Handles {
  /** @type {Owner[]} */
  owners = [];
  /** @type {Map<string, HTMLButtonElement>} by owner's id */
  buttons = new Map();
  /** @type {string | null} the owner whose row is open */
  open = null;
  /** @type {(NumberHandle | ChoiceHandle)[]} of the open row */
  handles = [];
  /** Whose buttons there are. */
  buttonsKey = "";
  /** What the open row is made of. */
  rowKey = "";
  /** @type {Owner | null} whom the open row is about */
  owner = null;

  /**
   * @param {Player} player
   * @param {Legend} legend
   */
  constructor(player, legend) {
    this.player = player;
    this.legend = legend;
    this.row = element("div", "qnviz-settings", null, {
      role: "group",
      id: `qnviz-settings-${rows++}`,
    });
    this.grid = element("div", "qnviz-handles", this.row);
    const foot = element("div", "qnviz-settings-foot", this.row);
    this.words = element("p", "qnviz-note", foot);
    this.alert = element("p", "qnviz-note qnviz-wrong", foot, { role: "alert" });
    this.remove = element("button", "qnviz-remove", foot, { type: "button" });
    this.remove.textContent = "Remove";
    this.remove.addEventListener("click", () => this.leave());
    this.row.addEventListener("focusout", (event) => {
      const inside = event.relatedTarget instanceof Node && this.row.contains(event.relatedTarget);
      if (!inside && this.alert.hidden) this.note(this.owner?.idea ?? "");
    });
    this.row.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      const button = this.buttons.get(this.open ?? "");
      this.choose(null);
      button?.focus();
    });
  }

  /**
   * Settings as a payload has them; null where there are none.
   *
   * @param {HandlesPayload | null} payload
   */
  take(payload) {
    this.owners = payload ? this.read(payload) : [];
    this.placeButtons(payload?.waiting ?? false);
    if (!this.owners.some(({ id }) => id === this.open)) this.open = null;
    this.show();
  }

  /**
   * @param {HandlesPayload} payload
   * @returns {Owner[]}
   */
  read(payload) {
    /** @type {Owner} */
    const run = { id: RUN, name: "Settings of the run", idea: "", fields: [], entrant: null };
    if (payload.waiting) {
      const { chips } = this.legend;
      const known = chips.map(({ label, chip }) => ({
        id: label,
        name: `Settings of ${chip.textContent}`,
        idea: "",
        fields: [],
        entrant: null,
      }));
      return [...known, run];
    }
    const known = payload.entrants.map((entrant) => ({
      id: entrant.entrant,
      name: `Settings of ${entrant.label}`,
      idea: entrant.fields.length ? entrant.idea : `${NONE} ${entrant.idea}`,
      fields: entrant.fields,
      entrant,
    }));
    return [...known, { ...run, idea: payload.summary, fields: payload.run }];
  }

  /**
   * A button beside each chip; one who sits out has a name in place of a chip. Those that are there
   * stay, as a run that grows brings a payload while one is being clicked.
   *
   * @param {boolean} waiting
   */
  placeButtons(waiting) {
    const { row, chips } = this.legend;
    const key = JSON.stringify([waiting, this.owners.map(({ id, name }) => [id, name])]);
    const there = [...this.buttons.values()].every((button) => button.isConnected);
    if (there && key === this.buttonsKey) return;
    this.buttonsKey = key;
    const focused = [...this.buttons].find(([, button]) => button === document.activeElement)?.[0];
    for (const button of this.buttons.values()) {
      const entry = button.parentElement;
      if (entry?.classList.contains("qnviz-chipless")) entry.remove();
      else button.remove();
    }
    this.buttons.clear();
    for (const { id, name, entrant } of this.owners) {
      const label = entrant?.label ?? id;
      const chip = chips.find((each) => each.label === label);
      const entry = chip?.entry ?? element("div", "qnviz-entry qnviz-chipless", row);
      const button = element("button", "qnviz-tune", null, {
        type: "button",
        title: name,
        "aria-label": name,
        "aria-expanded": String(id === this.open),
        "aria-controls": this.row.id,
      });
      if (id === RUN) element("span", "", button).textContent = "Run";
      else if (!chip) element("span", "qnviz-out", entry).textContent = label;
      icon("sliders", button);
      button.disabled = waiting;
      button.addEventListener("click", () => this.choose(id === this.open ? null : id));
      entry.append(button);
      this.buttons.set(id, button);
    }
    if (focused) this.buttons.get(focused)?.focus();
  }

  /** @param {string | null} id */
  choose(id) {
    this.open = id;
    this.show();
  }

  /** The row of the owner that is open. */
  show() {
    for (const [id, button] of this.buttons) {
      button.setAttribute("aria-expanded", String(id === this.open));
    }
    this.owner = this.owners.find(({ id }) => id === this.open) ?? null;
    const { owner } = this;
    if (!owner) {
      this.row.remove();
      this.rowKey = "";
      return;
    }
    if (!this.row.isConnected) this.legend.box.append(this.row);
    const kinds = owner.fields.map(({ name, kind }) => [name, kind]);
    const key = JSON.stringify([owner.id, kinds]);
    if (key === this.rowKey) this.handles.forEach((handle, k) => refresh(handle, owner.fields[k]));
    else this.fill(owner);
    this.rowKey = key;
    this.row.setAttribute("aria-label", owner.name);
    this.remove.hidden = !owner.entrant?.removable;
    this.remove.setAttribute("aria-label", `Remove ${owner.entrant?.label ?? ""}`);
  }

  /** @param {Owner} owner */
  fill(owner) {
    for (const handle of this.handles) if (handle instanceof NumberHandle) handle.drop();
    const hand = {
      /** @type {(field: Field, value: number | string) => void} */
      change: (field, value) => this.player.live.change(this.edit(field, value)),
      release: () => this.player.live.release(),
      cancel: () => this.player.live.cancel(),
      /** @type {(words: string, wrong?: boolean) => void} */
      note: (words, wrong) => this.note(words, wrong),
    };
    this.grid.replaceChildren();
    this.handles = owner.fields.map((field) =>
      field.kind === "choice"
        ? new ChoiceHandle(field, this.grid, hand)
        : new NumberHandle(field, this.grid, hand),
    );
    this.note(owner.idea);
  }

  /**
   * A setting's new value as an edit. The owner is the newest: a label changes with its settings.
   *
   * @param {Field} field
   * @param {number | string} value
   * @returns {Edit}
   */
  edit(field, value) {
    const values = { [field.name]: value };
    const label = this.owner?.entrant?.label;
    if (label !== undefined) return { entrants: { [label]: values } };
    return { [field.of ?? "run"]: values };
  }

  leave() {
    const label = this.owner?.entrant?.label;
    if (label === undefined) return;
    this.choose(null);
    this.buttons.get(RUN)?.focus();
    this.player.callbacks.onEdit?.({ remove: label });
  }

  /**
   * Say something of a setting; what is wrong stands in its place until that is mended.
   *
   * @param {string} words
   * @param {boolean} [wrong]
   */
  note(words, wrong = false) {
    this.alert.hidden = !wrong;
    this.words.hidden = wrong;
    if (write(wrong ? this.alert : this.words, words)) this.words.title = words;
  }
}

/**
 * @param {NumberHandle | ChoiceHandle} handle
 * @param {Field} field
 */
function refresh(handle, field) {
  if (handle instanceof NumberHandle && field.kind !== "choice") handle.take(field);
  else if (handle instanceof ChoiceHandle && field.kind === "choice") handle.take(field);
}
