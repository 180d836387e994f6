// What is shared: the address bar, with the step that is shown, as short as it can be written.

/**
 * The code of an ASCII sign in a percent escape.
 *
 * @param {string} sign
 */
const hex = (sign) => sign.charCodeAt(0).toString(16).toUpperCase();

// Signs that Streamlit writes as %2C and so on, though a query may hold them as they are. What ends
// a link in running text, or means something else in a query (+ & # % space quotes), stays coded.
const PLAIN = new Map(Array.from(",:/@=*()^~!", (sign) => [hex(sign), sign]));

/**
 * The same address without needless percent escapes.
 *
 * @param {string} href
 */
function readable(href) {
  const [path, query = ""] = href.split(/\?(.*)/s);
  const plain = query.replace(
    /%([0-9A-F]{2})/gi,
    (code, digits) => PLAIN.get(digits.toUpperCase()) ?? code,
  );
  return plain ? `${path}?${plain}` : path;
}

/**
 * The address of what is shown.
 *
 * @param {string} href the page's own
 * @param {number | null} frame where the playhead stands; null: it plays from the start
 */
export function linkTo(href, frame) {
  const [path, query = ""] = href.split("#")[0].split(/\?(.*)/s);
  const parts = query.split("&").filter((part) => part && !/^step(=|$)/.test(part));
  if (frame !== null) parts.push(`step=${frame}`);
  return readable(`${path}?${parts.join("&")}`);
}

/**
 * As a link in Markdown; in angle brackets, as its parentheses would end it.
 *
 * @param {string} link
 * @param {string} title
 */
export function asMarkdown(link, title) {
  return `[${title.replace(/([\\[\]])/g, "\\$1")}](<${link}>)`;
}

/**
 * As a link in LaTeX: what TeX would take for its own is escaped, as hyperref has it.
 *
 * @param {string} link
 * @param {string} title
 */
export function asLatex(link, title) {
  const safe = link.replace(/[\^{}\\]/g, (sign) => `%${hex(sign)}`).replace(/[%#&_]/g, "\\$&");
  return `\\href{${safe}}{${title.replace(/[%#&_{}$]/g, "\\$&")}}`;
}
