// The maps as a Streamlit component.

import { persistent } from "../component.js";
import { Maps } from "./maps.js";

export default persistent(
  (root, data, latest) => new Maps(root, data, (cell) => latest().setTriggerValue("open", cell)),
);
