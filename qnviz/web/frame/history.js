// After Back the page is the one that the visitor came to, not that of a run that comes in late.
//
// A run of a page puts that page's path, and what it has to write into the address, into the history
// when the browser hears of it. After Back that would lead the visitor forward again, and take what
// is ahead of him out of the history. What such a run writes after the path, the page that he came
// to corrects: `write` in qnviz/ui/state/address.py.

/** From Back or Forward until the visitor's next click or key, the history gets no entries. */
export function keepHistory() {
  if (Object.hasOwn(history, "pushState")) return; // once, however often this is mounted
  let travelled = false;
  const { pushState } = history;
  history.pushState = function push(state, title, url) {
    if (!travelled) pushState.call(history, state, title, url);
    else if (new URL(url ?? "", location.href).pathname === location.pathname) {
      history.replaceState(state, title, url);
    }
  };
  addEventListener("popstate", () => {
    travelled = true;
  });
  const acts = () => {
    travelled = false;
  };
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, acts, { capture: true });
}
