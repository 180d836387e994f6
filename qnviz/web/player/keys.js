// Which keys move the playhead, and whose they are.

/** @import { Player } from "./player.js" */

/**
 * All players on the page.
 *
 * @type {Set<Player>}
 */
export const players = new Set();

// Widgets that use arrows, home, end or letters themselves, and those that use space only.
/** @param {string} names */
const roles = (names) => names.replace(/\w+/g, "[role=$&]").replaceAll(" ", ", ");
const OWN_KEYS =
  "input, textarea, select, canvas, iframe, video, audio, " +
  "[contenteditable]:not([contenteditable=false]), " +
  roles("slider tab radio option menuitem combobox listbox textbox spinbutton grid tree dialog");
const OWN_SPACE = `button, a[href], summary, ${roles("button checkbox switch link")}`;

/** The one player that answers to keys: of those in sight the one used last, else the topmost. */
function answering() {
  /** @param {Player} a @param {Player} b */
  const above = (a, b) => a.root.compareDocumentPosition(b.root) & Node.DOCUMENT_POSITION_FOLLOWING;
  return [...players]
    .filter((player) => player.root.getClientRects().length)
    .sort((a, b) => b.usedAt - a.usedAt || (above(a, b) ? -1 : 1))[0];
}

/**
 * What a key does to a player, or null where the key is not for it.
 *
 * @param {Player} player
 * @param {number} last the player's last frame
 * @param {KeyboardEvent} event
 */
export function keyAction(player, last, event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return null;
  if (answering() !== player) return null;
  const target = event.target instanceof Element ? event.target : document.body;
  const widget = target.closest(OWN_KEYS); // a dialog or the like may hold the player itself
  if (widget && widget !== player.bar.slider && !widget.contains(player.root)) return null;
  if (event.key === "ArrowLeft") return () => player.step(event.shiftKey ? -10 : -1);
  if (event.key === "ArrowRight") return () => player.step(event.shiftKey ? 10 : 1);
  if (event.shiftKey) return null;
  if (event.key === "Home") return () => player.step(-last);
  if (event.key === "End") return () => player.step(last);
  if (event.key === " " && !target.closest(OWN_SPACE)) return () => player.toggle();
  return null;
}
