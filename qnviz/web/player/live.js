// What the hand changes of a run: collected until it is lifted, then reported as a whole.

/** @import { Edit } from "./payload.d.ts" */
/** @import { Player } from "./player.js" */

export class Live {
  /** @type {Edit} what was changed, and did not come back in a payload yet */
  edit = {};
  /** @type {Edit} the part of it that was reported */
  reported = {};
  /** Whether there are changes that were not reported. */
  pending = false;

  /** @param {Player} player */
  constructor(player) {
    this.player = player;
  }

  /** @param {Edit} change */
  change(change) {
    this.edit = merged(this.edit, change);
    this.pending = true;
  }

  /** The hand is lifted. What was reported and is not answered goes along, lest it be overtaken. */
  release() {
    if (!this.pending) return;
    this.pending = false;
    this.reported = this.edit;
    this.player.callbacks.onEdit?.(this.edit);
  }

  /** Forget what was changed since the last report. */
  cancel() {
    this.edit = this.reported;
    this.pending = false;
  }

  /** A payload has come: what was reported is in it, or will be in the next. */
  answered() {
    if (this.pending) return;
    this.edit = {};
    this.reported = {};
  }
}

/**
 * An edit, and a later one upon it.
 *
 * @param {Edit} before
 * @param {Edit} after
 * @returns {Edit}
 */
function merged(before, after) {
  const edit = { ...before, ...after };
  if (before.problem && after.problem) edit.problem = { ...before.problem, ...after.problem };
  if (before.run && after.run) edit.run = { ...before.run, ...after.run };
  if (before.entrants && after.entrants) {
    edit.entrants = { ...before.entrants };
    for (const [label, values] of Object.entries(after.entrants)) {
      edit.entrants[label] = { ...edit.entrants[label], ...values };
    }
  }
  return edit;
}
