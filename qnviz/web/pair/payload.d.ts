// The drag view's data as Python sends them (qnviz/ui/components/pair.py).

import type { Matrix, Vector } from "../engine/pair.js";

/** One update: H, a pair, and the two thresholds of damping. */
export interface Values {
  H: Matrix;
  s: Vector;
  y: Vector;
  mu1: number;
  mu2: number;
}

/** An update from JSON, which knows no NaN. */
export type Given = {
  [Name in keyof Values]: Values[Name] extends number ? number | null : (number | null)[];
};

export type Preset = { title: string } & Partial<Given>;

export type PairPayload = Given & {
  theme: string;
  presets?: Preset[];
  note?: string | null;
  shows?: string | null;
};

/** What the view shows: an update, and the axes of its H, by which handles move it. */
export interface State extends Values {
  angle: number;
  first: number;
  second: number;
}
