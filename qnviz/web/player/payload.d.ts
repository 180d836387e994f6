// What the player draws, as Python sends it (qnviz/figures/player.py).

import type { Column } from "../columns.js";

/** A method of the race; its columns have an entry for each of its steps. */
export interface EntrantPayload {
  label: string;
  title: string;
  color: string;
  dash: string;
  marker: string;
  /** When each step was done, in the clock's unit. */
  clock: Column;
  loss: Column;
  /** What happened at each step. */
  words?: string[];
  /** How its run ended, in words; empty while it grows. */
  end?: string | null;
}

/** A marker that moves along a line, one place for each step of its entrant. */
export interface HeadPayload {
  entrant: number;
  /** Without them the entrant's clock. */
  x?: Column;
  y: Column;
  /** Which of Plotly's axes it is drawn on: "y", "y2". */
  axis?: string;
}

/** Numbers of an entrant as the hand makes them, and where they stand: `column` of qnviz/figures/live.py. */
export interface ColumnSource {
  column: string;
  part?: number;
  last?: true;
  minus?: number;
  least?: number;
  signed?: number;
  squeezed?: number;
}

/** A setting of the entrant's method, to a power. */
export interface SettingSource {
  setting: string;
  power: number;
  squeezed?: number;
}

export type Source = ColumnSource | SettingSource | { at: number };

/** A condition on a number of a step: `when` of qnviz/figures/live.py. */
export interface Test {
  column: string;
  part?: number;
  is: "below" | "from" | "above" | "equals" | "finite" | "last" | "differs";
  value?: number | string | SettingSource;
}

interface Owned {
  entrant: number;
  axis?: string;
}

interface Stroke {
  color: string;
  width: number;
  dash?: string;
  opacity?: number;
}

interface Fill {
  color: string;
  pattern: string;
  ground: string;
}

interface Symbol {
  symbol: string;
  size: number;
  color: string;
}

interface Chosen {
  where?: Test[];
  unless?: Test[];
}

export type LineMark = Owned &
  Stroke & { kind: "line"; x?: ColumnSource; y: ColumnSource; head?: boolean };
export type HeadMark = Owned & { kind: "head"; y: ColumnSource };
export type BandMark = Owned & {
  kind: "band";
  low: ColumnSource;
  high: ColumnSource;
  color: string;
};
export type DotsMark = Owned & Symbol & Chosen & { kind: "dots"; y: Source };
export type EndMark = Owned & Symbol & { kind: "end"; y: ColumnSource; status: string };
export type StemsMark = Owned & Stroke & Chosen & { kind: "stems"; low: Source; high: Source };
export type RuleMark = Owned & Stroke & { kind: "rule"; y: SettingSource };
export type BarsMark = Owned & Fill & Chosen & { kind: "bars"; y: ColumnSource; share: number };
export type CellsMark = Owned & {
  kind: "cells";
  y: ColumnSource;
  row: number;
  scale: [share: number, color: string][];
  faintest: number;
};
export type SharesMark = Owned & {
  kind: "shares";
  y: ColumnSource;
  row: number;
  width: number;
  fills: Fill[];
};

/** What a canvas draws while a hand drags. */
export type Mark =
  | LineMark
  | HeadMark
  | BandMark
  | DotsMark
  | EndMark
  | StemsMark
  | RuleMark
  | BarsMark
  | CellsMark
  | SharesMark;

/** Images, bytes 0 … 255: a row of inputs, then a row for each entrant. */
export interface StripPayload {
  /** Height and width of an image. */
  shape: [number, number];
  count: number;
  photo: boolean;
  inputs: Column;
  rows: {
    entrant: number;
    images: Column;
    /** By step of the entrant: which of its rows of images that is. */
    rows: Column;
    errors?: Column | null;
    mean?: Column | null;
  }[];
}

/** Points, each of a class: whole steps from an origin, 0 for a point that is nowhere. */
export interface CloudPayload {
  entrant: number;
  colors: string[];
  labels: Column;
  views: Column;
  origin: [number, number];
  step: [number, number];
  rows: Column;
}

export interface PicturePayload {
  id: string;
  title?: string;
  /** What it shows, for those who do not see it. */
  alt?: string;
  /** Its name among the choices of a panel. */
  label?: string | null;
  figure: PlotlyFigure;
  heads?: HeadPayload[];
  /** How many steps a head's trail has. */
  trail?: number;
  /** Whether a line stands at the playhead. */
  cursor?: boolean;
  /** What a click chooses: an event, or a start of that name. */
  click?: string | null;
  strip?: StripPayload | null;
  cloud?: CloudPayload | null;
  /** What is drawn in place of the entrants' traces while a hand drags. */
  live?: Mark[];
}

export interface PanelPayload extends PicturePayload {
  span?: number;
  /** Other pictures that it can show. */
  choices?: PicturePayload[];
}

/** A setting that can be changed by hand; `label` and `help` are for people. */
interface BaseField {
  name: string;
  label: string;
  help: string;
  /** Whether it has no effect with the other settings as they are. */
  idle?: boolean;
  /** Of the run's settings: where it stands in an edit. */
  of?: "problem" | "run";
}

export interface NumberField extends BaseField {
  kind: "float" | "int";
  value: number;
  /** What is allowed, and what is said of anything else. */
  low: number | null;
  high: number | null;
  low_open: boolean;
  high_open: boolean;
  refusal: string;
  /** The slider's ends, and on a linear one its step. */
  first: number;
  last: number;
  step: number;
  log: boolean;
}

export interface ChoiceField extends BaseField {
  kind: "choice";
  value: string;
  options: [value: string, text: string][];
}

export type Field = NumberField | ChoiceField;

/** The settings of an entrant, who may sit out this race. */
export interface EntrantSettings {
  /** Its name as long as it is in the race; its label may change with its settings. */
  entrant: string;
  label: string;
  idea: string;
  removable: boolean;
  fields: Field[];
}

/** All settings of a run (qnviz/runs/handles.py). */
export interface RunSettings {
  entrants: EntrantSettings[];
  run: Field[];
  /** What the problem is. */
  summary: string;
  waiting?: undefined;
}

/** Until the numeric core is there they wait. */
export type HandlesPayload = RunSettings | { waiting: true };

export type Values = Record<string, number | string>;

/** What the hand changed, as Python takes it (`Edit` in qnviz/ui/state/messages.py). */
export interface Edit {
  start?: [x: number, y: number];
  problem?: Values;
  run?: Values;
  /** By label. */
  entrants?: Record<string, Values>;
  /** The label of one who leaves the race. */
  remove?: string;
  /** By which a payload says that it is answered. */
  serial?: number;
}

/** The run for the engine, where that is, and what the horizontal axis counts. */
export interface LivePayload {
  spec: Record<string, any>;
  engine: string;
  axis: "iterations" | "work" | "seconds";
}

export interface PlayerPayload {
  id?: string;
  plotly_url: string;
  theme: string;
  /** Where the playhead is to stand. */
  frame?: number | null;
  autoplay?: boolean;
  /** Whether the run still grows. */
  follow?: boolean;
  /** The field of the page's address that holds the frame. */
  address?: string | null;
  /** Frames a second. */
  rate?: number;
  /** What the losses are. */
  value?: string;
  /** Settings to change at the chips. */
  handles?: HandlesPayload | null;
  /** So that the pictures follow the hand. */
  live?: LivePayload | null;
  /** The last edit that is in the run. */
  answered?: number | null;
  clock: { label: string; unit?: string; frames: Column; end?: number | null };
  entrants: EntrantPayload[];
  panels: PanelPayload[];
  /** Ids of panels, row by row; "@words" is the table of words. Without rows there are only handles. */
  rows: string[][];
}
