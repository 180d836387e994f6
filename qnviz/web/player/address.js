// The playhead's place in the browser's address, /rosenbrock?m=adam&step=7.
//
// Python writes addresses too, but learns of a step half a second late, and Streamlit puts what
// Python writes into the history, under whatever page the browser has come to by then. So the
// player writes its own field, and into the entry that is there: stepping makes no history.

/**
 * A query's part as Python's urlencode writes it, so that Streamlit finds it there already.
 *
 * @param {string} text
 */
const coded = (text) =>
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");

/**
 * A query with a field set to a value: in its place, or as the last.
 *
 * @param {string} query
 * @param {string} field
 * @param {string} value
 */
export function queryWith(query, field, value) {
  const fields = new URLSearchParams(query);
  fields.set(field, value);
  return [...fields].map((pair) => pair.map(coded).join("=")).join("&");
}

const WINDOW_MS = 30000; // in which Safari lets a page write its address a hundred times
const WRITES = 50;

/** The address of the page on which a player was made. */
export class Address {
  path = location.pathname;
  /** @type {number[]} When it was written. */
  times = [];

  /** Whether it may be written at once; otherwise when the reader's hand rests. */
  get spare() {
    this.times = this.times.filter((time) => performance.now() - time < WINDOW_MS);
    return this.times.length < WRITES;
  }

  /** Whether the browser is still on that page: after Back its pictures stand for a while. */
  get here() {
    return location.pathname === this.path;
  }

  /**
   * The number in a field, or null.
   *
   * @param {string} field
   */
  read(field) {
    const text = new URLSearchParams(location.search).get(field) ?? "";
    return /^\d+$/.test(text) ? Number(text) : null;
  }

  /**
   * Put a number into a field; Streamlit's own state of the history entry stays as it is.
   *
   * @param {string} field
   * @param {number} value
   */
  write(field, value) {
    if (this.read(field) === value) return;
    this.times.push(performance.now());
    const query = queryWith(location.search, field, String(value));
    history.replaceState(history.state, "", `?${query}${location.hash}`);
  }
}
