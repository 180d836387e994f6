// The maps as a Streamlit component.

import { lasting } from "../component.js";
import { mountMaps } from "./maps.js";

export default lasting((root, data, latest) =>
  mountMaps(root, data, (cell) => latest().setTriggerValue("open", cell)),
);
