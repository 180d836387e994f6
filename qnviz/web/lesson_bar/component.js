// The bar as a Streamlit component.

import { lasting } from "../component.js";
import { mountBar } from "./bar.js";

export default lasting((root, data, latest) =>
  mountBar(root, data, (wish) => latest().setTriggerValue("ask", wish)),
);
