// Tiles of maps, computed one after the other in slices, so that a tile that nobody waits for any
// more ends within a slice. A worker and a page without workers compute alike.

const SLICE = 8; // ms between two looks at what has come in
const PULSE = 500; // ms between two signs of life of a long tile

/**
 * What computes some cells of a grid, as `Grid` of the engine does.
 *
 * @typedef {Record<string, Uint8Array | Int32Array | Float64Array>} Columns
 * @typedef {{ advance(ms: number): boolean, maps: Columns }} CellGrid
 * @typedef {{ cells: Uint32Array, summaries: boolean }} GridOptions
 * @typedef {new (spec: object, options: GridOptions) => CellGrid} GridType
 * @typedef {new (...args: any[]) => Error} ErrorType
 *
 * What is asked: a tile of a job, with the job's spec once; or that a job is not waited for.
 * @typedef {{ job: number, cells: Uint32Array, summaries: boolean, spec?: object }} TileRequest
 * @typedef {TileRequest | { drop: number }} Request
 *
 * What is answered: a tile's columns, null for one that was dropped; or why there are none.
 * @typedef {{ job: number, columns: Columns | null, ms: number }} Tile
 * @typedef {{ job: number, error: string, known: boolean }} Fault
 * @typedef {Tile | Fault | { alive: true }} Answer
 */

export class TileServer {
  /** @type {Map<number, object>} specs by job */
  specs = new Map();
  /** @type {Promise<void>} */
  last = Promise.resolve();

  /**
   * @param {{ Grid: GridType, EngineError: ErrorType }} engine
   * @param {(answer: Answer, transfer: ArrayBuffer[]) => void} answer
   * @param {() => Promise<unknown>} turn lets messages come in
   */
  constructor({ Grid, EngineError }, answer, turn) {
    this.Grid = Grid;
    this.EngineError = EngineError;
    this.answer = answer;
    this.turn = turn;
  }

  /** @param {Request} request */
  take(request) {
    if ("drop" in request) {
      this.specs.delete(request.drop);
      return;
    }
    if (request.spec) this.specs.set(request.job, request.spec);
    this.last = this.last.then(() => this.compute(request));
  }

  /** @param {TileRequest} request */
  async compute({ job, cells, summaries }) {
    try {
      await this.turn(); // a drop that came meanwhile is seen first
      const begun = performance.now();
      const columns = await this.columns(job, { cells, summaries });
      const buffers = Object.values(columns ?? {}).map((column) => column.buffer);
      const ms = performance.now() - begun;
      this.answer({ job, columns, ms }, /** @type {ArrayBuffer[]} */ (buffers));
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.answer({ job, error: text, known: error instanceof this.EngineError }, []);
    }
  }

  /**
   * @param {number} job
   * @param {GridOptions} options
   */
  async columns(job, options) {
    const spec = this.specs.get(job);
    if (!spec) return null;
    const grid = new this.Grid(spec, options);
    let heard = performance.now();
    while (!grid.advance(SLICE)) {
      if (performance.now() - heard > PULSE) {
        heard = performance.now();
        this.answer({ alive: true }, []);
      }
      await this.turn();
      if (!this.specs.has(job)) return null;
    }
    return grid.maps;
  }
}

/** A function whose promise is kept once what has come in was looked at. */
export function turns() {
  const channel = new MessageChannel();
  /** @type {(() => void)[]} */
  const waiting = [];
  channel.port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((/** @type {(value: void) => void} */ resolve) => {
      waiting.push(resolve);
      channel.port2.postMessage(null);
    });
}
