// The page follows the light: Streamlit changes its own colours at once, but draws no picture anew.

import { lasting } from "../component.js";

const APP = "[data-testid=stApp]";

function mountLight(root, data, changed) {
  const app = document.querySelector(APP);
  let [drawn, told] = [data.theme, null];
  const look = () => {
    const now = getComputedStyle(app).colorScheme.includes("dark") ? "dark" : "light";
    if (now === drawn) told = null;
    else if (now !== told) changed((told = now)); // once: a light that Python cannot know stays untold
  };
  const observer = new MutationObserver(look);
  observer.observe(app, { attributes: true, attributeFilter: ["class"] });
  look();
  return {
    update: (newer) => {
      drawn = newer.theme;
      look();
    },
    destroy: () => observer.disconnect(),
  };
}

export default lasting((root, data, latest) =>
  mountLight(root, data, (now) => latest().setTriggerValue("changed", now)),
);
