// Plotly's script, which one page shares.

import { element } from "./dom.js";

/** Plotly, loaded once a page, without touching a window.Plotly that somebody else put there. */
export function loadPlotly(url) {
  if (window.QnvizPlotly) return Promise.resolve(window.QnvizPlotly);
  window.QnvizPlotlyPromise ??= new Promise((resolve, reject) => {
    const others = { Plotly: window.Plotly, moduleName: window.moduleName };
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
      if (!ours?.react || ours === others.Plotly) return fail();
      for (const [name, value] of Object.entries(others)) {
        if (value === undefined) delete window[name];
        else window[name] = value;
      }
      resolve((window.QnvizPlotly = ours));
    };
  });
  return window.QnvizPlotlyPromise;
}
