// The drag view as a Streamlit component.

import { persistent } from "../component.js";
import { Pair } from "./pair.js";

export default persistent(
  (root, data, streamlit) =>
    new Pair(root, data, (values) => streamlit.setStateValue("pair", values)),
);
