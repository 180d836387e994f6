// The bar as a Streamlit component.

import { persistent } from "../component.js";
import { Bar } from "./bar.js";

export default persistent(
  (root, data, streamlit) =>
    new Bar(root, data, (request) => streamlit.setTriggerValue("ask", request)),
);
