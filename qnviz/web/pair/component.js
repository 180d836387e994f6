// The drag view as a Streamlit component.

import { lasting } from "../component.js";
import { mountPair } from "./pair.js";

export default lasting((root, data, latest) =>
  mountPair(root, data, (values) => latest().setStateValue("pair", values)),
);
