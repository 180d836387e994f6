// Workers that compute tiles of maps. A newer request for a map overtakes an older one at once; a
// worker that dies is replaced, and its tile given again, once. A page that may have no workers
// computes in slices itself.

import { TileServer } from "../engine/tiles.js";
import { clamp } from "../numbers.js";

/** @import { Answer, Columns, ErrorType, GridType, Request } from "../engine/tiles.js" */

const MOST_WORKERS = 4;
const AHEAD = 2; // tiles that a worker has before it, so that it never waits for the page
const TILE_MS = 12; // how long a tile takes, about
const [FEWEST, MOST] = [32, 16384]; // cells of a tile
const SILENCE = 5000; // ms
const WATCH = 500; // ms between two looks at that
const ONCE = 1; // times that a tile is given again

/**
 * A map that is asked for.
 *
 * @typedef {object} MapRequest
 * @property {object} spec the sweep, as the engine takes it
 * @property {Uint32Array} cells all its cells, in order; runs of `seeds` stay together
 * @property {number[]} ends where a tile must end: the borders of coarse grids
 * @property {number} seeds
 * @property {boolean} summaries whether the method's own numbers are wanted too
 * @property {(from: number, columns: Columns) => void} onTile cells[from …] are there
 * @property {() => void} onDone
 * @property {(words: string) => void} onFault
 *
 * @typedef {MapRequest & { job: number, slot: string, next: number, left: number,
 *   cellMs: number, again: Piece[] }} Job
 * @typedef {{ job: Job, from: number, to: number, tries: number }} Piece
 * @typedef {{ port: Port, pieces: Piece[], heard: number, known: Set<number>, answered: boolean }} Seat
 *
 * What of a worker is used; the page itself may stand in for one.
 * @typedef {object} Port
 * @property {(request: Request, transfer?: ArrayBuffer[]) => void} postMessage
 * @property {() => void} terminate
 * @property {((event: { data: Answer }) => void) | null} onmessage
 * @property {((event: any) => void) | null} onerror
 */

export class Pool {
  /** @type {Map<string, Job>} what is wanted now, by slot */
  jobs = new Map();
  /** @type {Seat[]} */
  seats = [];
  count = 0;
  /** ms of a cell, by slot, as the last map of that slot took. */
  /** @type {Map<string, number>} */
  pace = new Map();
  local = false;
  closed = false;
  clock = 0;

  /**
   * @param {() => Port} start starts a worker; may throw where there are none
   * @param {() => Promise<{ Grid: GridType, EngineError: ErrorType }>} engine for a page without
   * @param {number} [workers]
   * @param {number} [silence] ms without a sign of life after which a worker with a tile is dead
   */
  constructor(start, engine, workers = navigator.hardwareConcurrency || 1, silence = SILENCE) {
    this.silence = silence;
    this.start = start;
    this.engine = engine;
    this.workers = clamp(workers, 1, MOST_WORKERS);
  }

  /**
   * Compute a map; an older one of the same slot is not waited for any more.
   *
   * @param {string} slot
   * @param {MapRequest} request
   */
  request(slot, request) {
    this.drop(slot);
    this.count += 1;
    const cellMs = this.pace.get(slot) ?? TILE_MS / FEWEST;
    const fields = {
      job: this.count,
      slot,
      next: 0,
      left: request.cells.length,
      cellMs,
      again: [],
    };
    this.jobs.set(slot, { ...request, ...fields });
    this.seat();
    this.deal();
  }

  /** @param {string} slot */
  drop(slot) {
    const old = this.jobs.get(slot);
    if (!old) return;
    this.jobs.delete(slot);
    for (const { port, known } of this.seats) {
      if (known.delete(old.job)) port.postMessage({ drop: old.job });
    }
  }

  /** Have as many workers as there should be. */
  seat() {
    while (!this.closed && this.seats.length < (this.local ? 1 : this.workers)) this.open();
    this.clock ||= window.setInterval(() => this.watch(), WATCH);
  }

  open() {
    /** @type {Port} */
    let port;
    try {
      if (this.local) throw new Error("no workers");
      port = this.start();
    } catch {
      this.local = true; // such as a page whose policy forbids them
      port = new Local(this.engine);
    }
    /** @type {Seat} */
    const seat = { port, pieces: [], heard: 0, known: new Set(), answered: false };
    port.onmessage = ({ data }) => this.hear(seat, data);
    port.onerror = (event) => {
      event?.preventDefault?.();
      if (seat.answered || this.local) this.lost(seat, event?.message ?? "");
      else this.alone(seat);
    };
    this.seats.push(seat);
  }

  /** Give tiles to all who have too few: of the map that is coarsest so far. */
  deal() {
    for (let round = 0; round < AHEAD; round += 1) {
      for (const seat of this.seats) {
        if (seat.pieces.length > round) continue;
        const piece = this.piece();
        if (!piece) return;
        this.give(seat, piece);
      }
    }
  }

  /** @returns {Piece | null} */
  piece() {
    const open = [...this.jobs.values()].filter(
      (job) => job.again.length || job.next < job.cells.length,
    );
    if (!open.length) return null;
    const share = (/** @type {Job} */ job) => (job.again.length ? -1 : job.next / job.cells.length);
    const job = open.reduce((best, each) => (share(each) < share(best) ? each : best));
    const again = job.again.shift();
    if (again) return again;
    const from = job.next;
    const fair = clamp(Math.round(TILE_MS / job.cellMs), FEWEST, MOST);
    const border = job.ends.find((end) => end > from) ?? job.cells.length;
    const whole = Math.max(1, Math.round(fair / job.seeds)) * job.seeds;
    // a coarse grid is shared out among all workers, so that it is there soon
    const shared = Math.ceil((border - from) / this.seats.length / job.seeds) * job.seeds;
    job.next = Math.min(border, from + Math.min(whole, Math.max(shared, FEWEST * job.seeds)));
    return { job, from, to: job.next, tries: 0 };
  }

  /**
   * @param {Seat} seat
   * @param {Piece} piece
   */
  give(seat, piece) {
    const { job, from, to } = piece;
    if (!seat.pieces.length) seat.heard = performance.now();
    seat.pieces.push(piece);
    const cells = job.cells.slice(from, to);
    /** @type {Request} */
    const request = { job: job.job, cells, summaries: job.summaries };
    if (!seat.known.has(job.job)) request.spec = job.spec;
    seat.known.add(job.job);
    seat.port.postMessage(request, [cells.buffer]);
  }

  /**
   * @param {Seat} seat
   * @param {Answer} answer
   */
  hear(seat, answer) {
    seat.heard = performance.now();
    seat.answered = true;
    if ("alive" in answer) return;
    const piece = seat.pieces.shift();
    if (!piece || piece.job.job !== answer.job) return;
    const { job } = piece;
    const wanted = this.jobs.get(job.slot) === job;
    if ("error" in answer) {
      // what the engine refuses it refuses again; anything else may be a worker's own fault
      if (answer.known || piece.tries >= ONCE) this.fail(job, answer.error);
      else this.replace(seat, [{ ...piece, tries: piece.tries + 1 }, ...seat.pieces]);
    } else if (answer.columns && wanted) {
      const cells = piece.to - piece.from;
      job.cellMs = answer.ms / cells;
      this.pace.set(job.slot, Math.max(job.cellMs, 1e-5));
      job.left -= cells;
      job.onTile(piece.from, answer.columns);
      if (job.left === 0 && this.jobs.get(job.slot) === job) {
        this.drop(job.slot);
        job.onDone();
      }
    }
    this.deal();
  }

  /**
   * A worker has died: its tiles are given to another, once.
   *
   * @param {Seat} seat
   * @param {string} why
   */
  lost(seat, why) {
    if (!this.seats.includes(seat)) return;
    const [first, ...rest] = seat.pieces;
    if (first && first.tries >= ONCE) {
      this.fail(first.job, why || "the browser's worker ended twice over the same part");
      this.replace(seat, rest);
    } else {
      this.replace(seat, first ? [{ ...first, tries: first.tries + 1 }, ...rest] : rest);
    }
    this.deal();
  }

  /**
   * A worker could not be started: if none could, the page computes alone.
   *
   * @param {Seat} seat
   */
  alone(seat) {
    if (this.seats.some((each) => each.answered)) return this.lost(seat, "");
    this.local = true;
    for (const each of [...this.seats]) this.replace(each, each.pieces);
  }

  /**
   * @param {Seat} seat
   * @param {Piece[]} pieces to be given to others
   */
  replace(seat, pieces) {
    seat.port.onmessage = seat.port.onerror = null;
    seat.port.terminate();
    this.seats = this.seats.filter((each) => each !== seat);
    for (const piece of pieces) {
      if (this.jobs.get(piece.job.slot) === piece.job) piece.job.again.push(piece);
    }
    this.seat();
    this.deal();
  }

  /**
   * @param {Job} job
   * @param {string} words
   */
  fail(job, words) {
    if (this.jobs.get(job.slot) !== job) return;
    this.drop(job.slot);
    job.onFault(words);
  }

  /** Notice workers that have gone silent over a tile, as those do whose memory ran out. */
  watch() {
    const now = performance.now();
    for (const seat of [...this.seats]) {
      if (seat.pieces.length && now - seat.heard > this.silence) this.lost(seat, "");
    }
    if (!this.jobs.size && !this.seats.some((seat) => seat.pieces.length)) {
      clearInterval(this.clock);
      this.clock = 0;
    }
  }

  destroy() {
    this.closed = true;
    clearInterval(this.clock);
    this.jobs.clear();
    for (const { port } of this.seats.splice(0)) port.terminate();
  }
}

/** The page itself as a worker: tiles in slices, between which it answers its visitor. */
class Local {
  /** @type {Port["onmessage"]} */
  onmessage = null;
  /** @type {Port["onerror"]} */
  onerror = null;
  /** @type {TileServer | null} */
  server = null;
  ended = false;

  /** @param {() => Promise<{ Grid: GridType, EngineError: ErrorType }>} engine */
  constructor(engine) {
    this.ready = engine().then((found) => {
      this.server = new TileServer(
        found,
        (data) => {
          if (!this.ended) this.onmessage?.({ data });
        },
        () => new Promise((resolve) => setTimeout(resolve)),
      );
    });
  }

  /** @param {Request} request */
  postMessage(request) {
    this.ready
      .then(() => this.server?.take(request))
      .catch((error) => {
        if (!this.ended) this.onerror?.({ message: String(error?.message ?? error) });
      });
  }

  terminate() {
    this.ended = true;
    this.server?.specs.clear();
  }
}
