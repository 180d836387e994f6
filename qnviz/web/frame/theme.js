// What every page has: it follows the theme, as Streamlit changes its own colours at once, but redraws
// no picture; and after Back no run that comes in late leads forward again. One component for both,
// as each costs the first picture a few milliseconds.

import { persistent } from "../component.js";
import { keepHistory } from "./history.js";

const APP = "[data-testid=stApp]";

/**
 * @param {{ theme: string }} data the theme in which Python has drawn the page
 * @param {(theme: string) => void} changed called once for each other theme that the page takes
 */
function mountTheme(data, changed) {
  const app = document.querySelector(APP);
  if (!app) throw new Error("Streamlit's app is not on the page");
  let drawn = data.theme;
  let reported = "";
  const check = () => {
    const now = getComputedStyle(app).colorScheme.includes("dark") ? "dark" : "light";
    if (now === drawn) reported = "";
    else if (now !== reported) {
      reported = now; // once, as a theme that Python cannot know would be reported for ever
      changed(now);
    }
  };
  const observer = new MutationObserver(check);
  observer.observe(app, { attributes: true, attributeFilter: ["class"] });
  check();
  return {
    /** @param {{ theme: string }} newer */
    update: (newer) => {
      drawn = newer.theme;
      check();
    },
    destroy: () => observer.disconnect(),
  };
}

keepHistory();

export default persistent((_, data, streamlit) =>
  mountTheme(data, (theme) => streamlit.setTriggerValue("changed", theme)),
);
