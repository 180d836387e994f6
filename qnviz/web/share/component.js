// The share view as a Streamlit component.

import { persistent } from "../component.js";
import { Share } from "./share.js";

export default persistent((root, data) => new Share(root, data));
