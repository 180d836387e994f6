// In which order the cells of a map are computed: coarse grids first, each of every second cell of
// the one before, as qnviz/sweeps/tiles.py has it.

const COARSEST = 8; // cells per axis of the first grid, where there are more

/**
 * @typedef {object} Order
 * @property {Uint32Array} cells all cells (iy * nx + ix), coarse first
 * @property {{ end: number, step: number }[]} levels where each grid's cells end, and its step
 */

/**
 * The order of the cells of a map.
 *
 * @param {number} ny
 * @param {number} nx
 * @returns {Order}
 */
export function order(ny, nx) {
  const cells = new Uint32Array(ny * nx);
  const [ys, xs] = [levelsOf(ny), levelsOf(nx)];
  const finite = [...ys, ...xs].filter(Number.isFinite);
  const top = finite.reduce((most, level) => Math.max(most, level), 0);
  const levels = [];
  let n = 0;
  for (let level = top; level >= 0; level -= 1) {
    for (let iy = 0; iy < ny; iy += 1) {
      if (ys[iy] < level) continue;
      for (let ix = 0; ix < nx; ix += 1) {
        const mine = Math.min(ys[iy], xs[ix], top);
        if (mine === level) cells[n++] = iy * nx + ix;
      }
    }
    levels.push({ end: n, step: 2 ** level });
  }
  return { cells, levels };
}

/**
 * Per index the largest power of two that divides it, as an exponent; a short axis is there at once.
 *
 * @param {number} n
 */
function levelsOf(n) {
  if (n < COARSEST) return new Array(n).fill(Infinity);
  const top = Math.floor(Math.log2(n / COARSEST));
  return Array.from({ length: n }, (_, i) => {
    let level = 0;
    while (level < top && i % 2 ** (level + 1) === 0) level += 1;
    return level;
  });
}

/**
 * Which cells along an axis one of a coarse grid stands in for: from the first to before the last.
 *
 * @param {number} i the cell
 * @param {number} n cells along the axis
 * @param {number} step of the coarse grid
 */
export function standsFor(i, n, step) {
  if (n < COARSEST) return [i, i + 1];
  const from = Math.max(0, i - (step >> 1));
  const last = i + step >= n; // no other cell of its grid comes after it
  return [from, last ? n : Math.min(n, i + step - (step >> 1))];
}
