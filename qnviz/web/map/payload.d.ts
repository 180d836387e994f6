// Maps as Python sends them (qnviz/figures/maps/picture.py).

import type { Column } from "../columns.js";
import type { NumberField } from "../player/payload.d.ts";

/** An axis: its values, and the edges between their cells. */
export interface SidePayload {
  label: string;
  log: boolean;
  values: Column;
  edges: Column;
}

export interface MapPayload {
  title: string;
  words: string;
  alt: string;
  grid: [SidePayload, SidePayload];
  /** Of each cell, row by row from below: what it is, what is drawn there. */
  kind: Column;
  shown: Column;
  columns: { title: string; values: Column; low?: Column; high?: Column }[];
  /** Of each cell: runs, runs that reached the target, runs that diverged. */
  counts?: Column[];
  seeds: number;
  figure: PlotlyFigure;
  margin: Margin;
  /** The settings that can be dragged. */
  fields: NumberField[];
  /** What the browser computes by itself; null where it cannot. */
  live: LiveMapPayload | null;
}

/** A map as the engine takes it. */
export interface LiveMapPayload {
  spec: Record<string, any>;
  nx: number;
  ny: number;
}

/** What is known of a cell, in the order of the columns that it shows. */
type Shown = "value" | "steps" | "loss";

/** Where a run ends in the plane: minima come first among the points. */
export interface EndsRule {
  name: "ends";
  status: string[];
  columns: Shown[];
  points: [number, number][];
  minima: number;
  tolerance: number;
}

/** What a map of settings colours. */
export interface SettingsRule {
  name: "settings";
  status: string[];
  columns: Shown[];
  column: string;
  toTarget: boolean;
  target: boolean;
}

export type Rule = EndsRule | SettingsRule;

export interface LiveScale {
  kinds: Kind[];
  low: number;
  high: number;
  log: boolean;
}

export interface LivePayload {
  engine: string;
  worker: string;
  rule: Rule;
  seeds: number;
  low: number;
  high: number;
  log: boolean;
  /** How a run ended, by its status. */
  words: Record<string, string>;
  /** The loss under the paths of a map of settings. */
  surface: SurfacePayload | null;
  labels: Record<"hint" | "loss" | "own" | "hessian", string>;
}

export interface SurfacePayload {
  x: Column;
  y: Column;
  /** log₁₀ of the loss, row by row. */
  z: Column;
  names: [string, string];
  minima: [number, number][];
}

/** Settings under the hand; what is missing is as Python has it. */
export interface MapEdit {
  left?: Record<string, number>;
  right?: Record<string, number>;
  noise?: number;
  seed?: number;
  start?: [number, number];
}

/** A run of a map: its values along both axes, and which of the seeds. */
export interface RunPlace {
  x: number;
  y: number;
  seed: number;
}

export interface Margin {
  l: number;
  r: number;
  t: number;
  b: number;
}

/** A category of cells: its colours, from low values to high, or one. */
export interface Kind {
  text: string;
  colors: string[];
  hatched: boolean;
  /** Whether the legend shows it only where a map has it. */
  rare: boolean;
}

export interface Legend {
  title: string;
  ticks: { at: number; text: string }[];
  kinds: Kind[];
  hatch: string;
}

export interface MapsPayload {
  id: string;
  plotly_url: string;
  theme: string;
  headline?: string;
  maps: MapPayload[];
  legend: Legend;
  /** What tells these maps' numbers from others, however far they are. */
  key: string;
  /** Settings that both maps share. */
  fields: NumberField[];
  live: LivePayload | null;
  /** The run that is shown: of which map, where along its axes, which seed. */
  open: [map: number, x: number, y: number, seed: number] | null;
}

/** A cell: [row, column], rows counted upwards. */
export type Cell = [number, number];
