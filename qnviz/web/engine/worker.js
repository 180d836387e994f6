// The engine as a worker: computes tiles of maps beside the page.

import { EngineError, Grid } from "./index.js";
import { TileServer, turns } from "./tiles.js";

/** @import { Request } from "./tiles.js" */

const scope = /** @type {Worker} */ (/** @type {unknown} */ (globalThis));
const server = new TileServer(
  { Grid, EngineError },
  (answer, transfer) => scope.postMessage(answer, transfer),
  turns(),
);
scope.onmessage = (/** @type {MessageEvent<Request>} */ event) => server.take(event.data);
