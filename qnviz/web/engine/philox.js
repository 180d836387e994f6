// Random numbers as a pure function of (seed, stream, run, step, iteration): qnviz/problems/philox.py.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
// so noise and random starts are the very numbers that Python draws.

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const WORD = 2 ** 32;

/** Streams: what the numbers are drawn for. */
export const START = 0;
export const NOISE = 1;
export const TARGETS = 2;

/**
 * The high word of a product of two 32-bit words.
 *
 * @param {number} a
 * @param {number} b
 */
function high(a, b) {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  return (a1 * b1 + Math.floor(middle / 0x10000) + (a0 * b1 + (middle & 0xffff)) / 0x10000) >>> 0;
}

/**
 * Ten rounds of Philox4x32 on a counter of four words; gives the words in its place.
 *
 * @param {Uint32Array} c four words
 * @param {number} k0
 * @param {number} k1
 */
function philox(c, k0, k1) {
  let [c0, c1, c2, c3] = c;
  for (let round = 0; round < 10; round++) {
    const [h0, h1] = [high(M0, c0), high(M1, c2)];
    const [l0, l1] = [Math.imul(M0, c0), Math.imul(M1, c2)];
    [c0, c1, c2, c3] = [h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0];
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  c[0] = c0;
  c[1] = c1;
  c[2] = c2;
  c[3] = c3;
}

const words = new Uint32Array(4);

/**
 * A uniform number on [0, 1) with 53 random bits.
 *
 * @param {number} seed a whole number below 2⁵³
 * @param {number} stream what it is for
 * @param {number} run
 * @param {number} step −1 is for draws before the first step
 * @param {number} place which of the numbers that this run and step get
 * @param {number} [iteration] within a step, for what draws more than once; 0 is the step's own
 */
export function uniform(seed, stream, run, step, place, iteration = 0) {
  words[0] = (place >> 1) + (stream << 24);
  words[1] = step;
  words[2] = run;
  words[3] = iteration << 16;
  philox(words, seed % WORD, Math.floor(seed / WORD));
  const at = place & 1 ? 2 : 0; // a block holds two numbers of two words each
  return (words[at] * 2 ** 21 + (words[at + 1] >>> 11)) * 2 ** -53;
}

/**
 * A standard normal number, of `count` that this run and step get, by the Box-Muller transform.
 *
 * @param {number} seed
 * @param {number} stream
 * @param {number} run
 * @param {number} step
 * @param {number} place
 * @param {number} count
 */
export function normal(seed, stream, run, step, place, count) {
  const radius = Math.sqrt(-2 * Math.log1p(-uniform(seed, stream, run, step, place)));
  return radius * Math.cos(2 * Math.PI * uniform(seed, stream, run, step, count + place));
}
