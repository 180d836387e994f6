// What the hand changes of a run. While it does, the engine computes the run within the frame and the
// pictures follow; lifted, the hand's changes are reported as a whole, and the pictures stay as they
// are until the record comes.

import { indexAt } from "./model.js";
import { Rows } from "./rows.js";

/** @import { Result } from "../engine/columns.js" */
/** @import { Edit, LivePayload, PlayerPayload } from "./payload.d.ts" */
/** @import { Player } from "./player.js" */

/**
 * What is used of the engine.
 *
 * @typedef {object} Engine
 * @property {(spec: Record<string, any>) => string | null} unable
 * @property {new (spec: Record<string, any>) => Computing} Race
 * @property {new () => Error} EngineError
 *
 * @typedef {{ advance(ms: number): boolean, results(): Result[], readonly done: boolean }} Computing
 */

const SLICE_MS = 8; // of a frame, for computing
const PATIENCE_MS = 120; // what takes longer is drawn as far as it is
const ANSWER_MS = 10_000; // then what came instead of an answer is taken for one
const SERIALS = 900_000;

export class Live {
  /** @type {Edit} what was changed, and did not come back in a payload yet */
  edit = {};
  /** @type {Edit} the part of it that was reported */
  reported = {};
  /** Whether there are changes that were not reported. */
  pending = false;
  /** The number of the last report; others before it may still be on their way. */
  serial = Date.now() % SERIALS;
  /** Whether the last report is not answered. */
  awaited = false;

  /** @type {LivePayload | null} the run that is shown */
  run = null;
  /** @type {Engine | null} */
  engine = null;
  loading = false;
  /** @type {Computing | null} */
  race = null;
  /** @type {Record<string, any>} what it computes */
  spec = {};
  begunAt = 0;
  /** Whether the hand has moved on since. */
  moved = false;
  request = 0;

  /** Whether pictures show what the hand makes, not the record. */
  on = false;
  /** @type {(Rows | null)[]} by entrant of the player */
  rows = [];
  /** @type {PlayerPayload | null} the newest that came meanwhile */
  held = null;
  answering = 0;

  /** @param {Player} player */
  constructor(player) {
    this.player = player;
  }

  // -- the hand ------------------------------------------------------------------------------

  /** Whether pictures follow the hand. */
  get able() {
    return this.run !== null && this.engine !== null && this.engine.unable(this.run.spec) === null;
  }

  /** Where the run begins, with the hand's changes; null where no start can be dragged. */
  get start() {
    /** @type {[number, number] | undefined} */
    const start = this.edit.start ?? this.run?.spec.problem.start;
    return start ?? null;
  }

  /** @param {Edit} change */
  change(change) {
    this.edit = merged(this.edit, change);
    this.pending = true;
    this.moved = true;
    this.schedule();
  }

  /** The hand is lifted. What was reported and is not answered goes along, lest it be overtaken. */
  release() {
    if (!this.pending) return;
    this.pending = false;
    this.reported = this.edit;
    this.serial = (this.serial + 1) % SERIALS;
    this.awaited = true;
    this.player.callbacks.onEdit?.({ ...this.edit, serial: this.serial });
    this.player.draw();
  }

  /** Forget what was changed since the last report. */
  cancel() {
    if (!this.pending) return;
    this.edit = this.reported;
    this.pending = false;
    this.moved = true;
    if (this.awaited) this.schedule();
    else this.giveUp();
  }

  // -- payloads ------------------------------------------------------------------------------

  /**
   * Whether a payload must wait: the hand is down, or it is not the answer to what was reported.
   *
   * @param {PlayerPayload} payload
   */
  waits(payload) {
    if (!this.on || !payload) return false;
    const answer = payload.answered === this.serial && !payload.follow;
    if (!this.pending && (!this.awaited || answer)) return false;
    this.held = payload;
    clearTimeout(this.answering);
    this.answering = window.setTimeout(() => {
      if (!this.pending) this.giveUp();
    }, ANSWER_MS);
    return true;
  }

  /**
   * A payload's run, as it is about to be shown. What was reported is in it, or will be in the next.
   *
   * @param {PlayerPayload} payload
   */
  take(payload) {
    this.run = payload.follow ? null : (payload.live ?? null);
    if (this.pending) return;
    this.edit = {};
    this.reported = {};
  }

  /** Back to the record: the one that is shown, or a newer one that had to wait. */
  giveUp() {
    const { held, player } = this;
    this.end();
    if (held) player.update(held);
    else player.draw();
  }

  /** The pictures show the record again, from the next drawing on. */
  end() {
    cancelAnimationFrame(this.request);
    clearTimeout(this.answering);
    this.request = 0;
    this.race = null;
    this.rows = [];
    this.held = null;
    this.awaited = false;
    this.moved = false;
    this.show(false);
  }

  /** Get the engine, if it may be needed: once there are pictures, as it is not needed for them. */
  async load() {
    if (!this.run || this.engine || this.loading) return;
    this.loading = true;
    try {
      const { engine } = this.player.callbacks;
      this.engine = engine ?? (await import(new URL(this.run.engine, document.baseURI).href));
      if (this.moved) this.schedule();
    } finally {
      this.loading = false;
    }
  }

  // -- computing -----------------------------------------------------------------------------

  schedule() {
    if (this.able) this.request ||= requestAnimationFrame(() => this.compute());
    else this.load();
  }

  /** A slice of the run; a new one is begun when the last is done, or has been drawn in part. */
  compute() {
    this.request = 0;
    const now = performance.now();
    if (this.moved && (!this.race || this.race.done)) this.begin(now);
    if (!this.race) return;
    this.race.advance(SLICE_MS);
    const late = now - this.begunAt > PATIENCE_MS;
    if (this.race.done || late) this.adopt(this.race.results());
    if (this.moved && late) this.race = null;
    if (this.moved || !this.race?.done) this.schedule();
  }

  /** @param {number} now */
  begin(now) {
    const { engine, run } = this;
    if (!engine || !run) return;
    this.moved = false;
    this.begunAt = now;
    this.spec = edited(run.spec, this.edit);
    try {
      this.race = new engine.Race(this.spec);
    } catch (error) {
      // what it refuses the server will, with a message; until then the last picture stands
      if (!(error instanceof engine.EngineError)) throw error;
      this.race = null;
    }
  }

  /**
   * Draw what was computed; of entrants that have not begun, what was there before.
   *
   * @param {Result[]} results
   */
  adopt(results) {
    const { player, run } = this;
    if (!run) return;
    player.model.entrants.forEach(({ label }, i) => {
      const k = results.findIndex((result) => result.label === label);
      if (k < 0) this.rows[i] ??= null;
      else this.rows[i] = new Rows(results[k], this.spec.methods[k], run.axis);
    });
    this.show(true);
    player.draw();
  }

  /** @param {boolean} on */
  show(on) {
    if (this.on === on) return;
    this.on = on;
    this.player.follow(on);
  }

  // -- the playhead --------------------------------------------------------------------------

  /** Where the playhead stands on the clock; at its end it stays at the end of the race. */
  get now() {
    const { model, frame, last } = this.player;
    if (frame < last) return model.frames[frame];
    return this.rows.reduce((most, rows) => Math.max(most, rows ? rows.clock[rows.last] : 0), 0);
  }

  /**
   * Which of its steps an entrant is at.
   *
   * @param {number} entrant
   */
  index(entrant) {
    const { model, frame, last } = this.player;
    const rows = this.rows[entrant];
    if (!rows) return 0;
    if (frame === last) return rows.last;
    if (this.run?.axis === "seconds") {
      return Math.min(model.entrants[entrant].index[frame], rows.last);
    }
    return Math.min(indexAt(rows.clock, this.now), rows.last);
  }

  /**
   * Whether an entrant's run was over before.
   *
   * @param {number} entrant
   */
  over(entrant) {
    const rows = this.rows[entrant];
    if (!rows || rows.status === "running") return false;
    return this.now > rows.clock[rows.last] * (1 + 1e-7);
  }

  /** The losses of all entrants at the playhead; NaN of those that have not begun. */
  get losses() {
    return this.rows.map((rows, i) => (rows ? rows.raw("loss", this.index(i), 0) : NaN));
  }
}

/**
 * A spec with an edit in it.
 *
 * @param {Record<string, any>} spec
 * @param {Edit} edit
 */
function edited(spec, { start, problem, run, entrants = {} }) {
  return {
    ...spec,
    ...run,
    problem: { ...spec.problem, ...problem, ...(start ? { start } : {}) },
    methods: spec.methods.map((/** @type {Record<string, any>} */ method) => ({
      ...method,
      ...entrants[method.label ?? method.name],
    })),
  };
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
