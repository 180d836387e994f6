// The share view as a Streamlit component.

import { lasting } from "../component.js";
import { mountShare } from "./share.js";

export default lasting((root, data) => mountShare(root, data));
