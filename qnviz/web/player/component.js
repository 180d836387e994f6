// The player as a Streamlit component.

import { persistent } from "../component.js";
import { Player } from "./player.js";

export default persistent(
  (root, data, latest) =>
    new Player(root, data, {
      onFrame: (frame) => latest().setStateValue("frame", frame),
      onStart: (point, name) => latest().setTriggerValue(name, point),
      onEvent: (event) => latest().setTriggerValue("event", event),
    }),
);
