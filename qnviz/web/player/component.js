// The player as a Streamlit component.

import { persistent } from "../component.js";
import { Player } from "./player.js";

export default persistent(
  (root, data, streamlit) =>
    new Player(root, data, {
      onFrame: (frame) => streamlit.setStateValue("frame", frame),
      onStart: (point, name) => streamlit.setTriggerValue(name, point),
      onEvent: (event) => streamlit.setTriggerValue("event", event),
      onEdit: (edit) => streamlit.setTriggerValue("edit", edit),
    }),
);
