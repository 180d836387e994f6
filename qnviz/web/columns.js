// Columns of numbers as Python sends them.

/**
 * @typedef {Float64Array | Float32Array | Int32Array | Uint32Array | Int16Array | Uint16Array
 *   | Int8Array | Uint8Array} Numbers
 * @typedef {(number | null)[] | Numbers | { dtype: string, bdata: string }} Column
 * @typedef {new (buffer: ArrayBuffer) => Numbers} ArrayType
 */

/** @type {Record<string, ArrayType>} */
const ARRAY_TYPES = {
  f8: Float64Array,
  f4: Float32Array,
  i4: Int32Array,
  u4: Uint32Array,
  i2: Int16Array,
  u2: Uint16Array,
  i1: Int8Array,
  u1: Uint8Array,
};

/**
 * A column of the payload as numbers: a list (null is NaN) or Plotly's {dtype, bdata}.
 *
 * @param {Column} column
 * @returns {Numbers}
 */
export function decode(column) {
  if (Array.isArray(column)) return Float64Array.from(column, (v) => (v === null ? NaN : v));
  if (ArrayBuffer.isView(column)) return column;
  const Type = ARRAY_TYPES[column?.dtype];
  if (!Type || typeof column.bdata !== "string") throw new Error("a column is not an array");
  return new Type(Uint8Array.from(atob(column.bdata), (c) => c.charCodeAt(0)).buffer);
}
