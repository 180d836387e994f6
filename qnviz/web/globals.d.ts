// What TypeScript does not know of the page: Plotly, as far as we use it.

/** A Plotly axis after layout; names that begin with _ are Plotly's own, and may change. */
interface PlotlyAxis {
  type: string;
  _offset: number;
  _length: number;
  _m: number;
  l2p(linear: number): number;
  p2d(pixel: number): number;
}

/** The layout that Plotly has computed: axes by name, and what they have in common. */
type PlotlyFullLayout = { width: number; height: number } & Record<string, PlotlyAxis>;

interface PlotlyTrace {
  visible?: boolean | "legendonly";
  meta?: { entrant?: number };
  [name: string]: unknown;
}

type PlotlyLayout = Record<string, any>;

interface PlotlyFigure {
  data: PlotlyTrace[];
  layout: PlotlyLayout;
}

/** An element once Plotly has drawn into it. */
interface PlotlyElement extends HTMLElement {
  data: PlotlyTrace[];
  _fullLayout?: PlotlyFullLayout;
  on?(event: string, action: () => void): void;
}

interface Plotly {
  react(
    node: HTMLElement,
    data: PlotlyTrace[],
    layout: PlotlyLayout,
    config: Record<string, unknown>,
  ): Promise<unknown>;
  restyle(node: HTMLElement, change: Record<string, unknown>, traces: number[]): Promise<unknown>;
  purge(node: HTMLElement): void;
  Plots: { resize(node: HTMLElement): void };
}

interface Window {
  QnvizPlotly?: Plotly;
  QnvizPlotlyPromise?: Promise<Plotly>;
  Plotly?: Plotly;
  moduleName?: unknown;
}
