// The maps as a Streamlit component.

import { persistent } from "../component.js";
import { Maps } from "./maps.js";

export default persistent(
  (root, data, streamlit) =>
    new Maps(root, data, {
      open: (cell) => streamlit.setTriggerValue("open", cell),
      pin: (place) => streamlit.setTriggerValue("pin", place),
      edit: (edit) => streamlit.setTriggerValue("edit", edit),
    }),
);
