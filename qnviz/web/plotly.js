// Plotly's script, which all that is on a page shares.

import { element } from "./dom.js";

/**
 * Plotly, loaded once a page, without touching a window.Plotly that somebody else put there.
 *
 * @param {string} url
 * @returns {Promise<Plotly>}
 */
export function loadPlotly(url) {
  if (window.QnvizPlotly) return Promise.resolve(window.QnvizPlotly);
  window.QnvizPlotlyPromise ??= new Promise((resolve, reject) => {
    const { Plotly: theirs, moduleName } = window;
    const script = element("script", "", document.head, { src: url });
    const fail = () => {
      script.remove();
      window.QnvizPlotlyPromise = undefined; // the next data change may try again
      reject(new Error(`plotly.js did not load from ${url}`));
    };
    script.onerror = fail;
    script.onload = () => {
      const ours = window.Plotly;
      // A server that answers every address with its page "loads" as well.
      if (!ours?.react || ours === theirs) return fail();
      if (theirs === undefined) delete window.Plotly;
      else window.Plotly = theirs;
      if (moduleName === undefined) delete window.moduleName;
      else window.moduleName = moduleName;
      window.QnvizPlotly = ours;
      return resolve(ours);
    };
  });
  return window.QnvizPlotlyPromise;
}
