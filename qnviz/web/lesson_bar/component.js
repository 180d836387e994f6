// The bar as a Streamlit component.

import { persistent } from "../component.js";
import { Bar } from "./bar.js";

export default persistent(
  (root, data, latest) =>
    new Bar(root, data, (request) => latest().setTriggerValue("ask", request)),
);
