// Maps as Python sends them (qnviz/figures/maps/picture.py).

import type { Column } from "../columns.js";

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
}

/** A cell: [row, column], rows counted upwards. */
export type Cell = [number, number];
