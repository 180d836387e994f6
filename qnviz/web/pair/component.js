// The drag view as a Streamlit component.

import { persistent } from "../component.js";
import { Pair } from "./pair.js";

export default persistent(
  (root, data, latest) => new Pair(root, data, (values) => latest().setStateValue("pair", values)),
);
