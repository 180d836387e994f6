"""The one loop: batches, steps, stopping, recording. Every picture and number starts here.

Entrants take turns chunk by chunk, so a race grows everywhere at once. Within a chunk nothing is
read back from the device; at its end the instruments look at all its iterates in one batched call,
so looking costs one pass per chunk, not one per step, and is not charged to the method.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.oracle import Oracle, dense
from qnviz.curvature.spectrum import extremes
from qnviz.methods.base import Method, take
from qnviz.problems.base import Batch, Problem
from qnviz.runs.device import DTYPES, resolve, set_threads
from qnviz.runs.plane import plane
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import STATE_COLUMNS, Entrant, Trace
from qnviz.words import say

CHUNK_SECONDS = 0.04                 # how long a chunk should take: an interrupt waits no longer
LONGEST_CHUNK = 64
DENSE_INSTRUMENT = 8                 # up to this many parameters the exact Hessian is watched
INSTRUMENT_ROWS = 200_000            # iterates looked at in one call
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MARKERS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star")


@dataclass(frozen=True)
class Progress:
    """What `stream` yields: how far all entrants are, and a way to see what there is so far."""

    done: int                        # entrant-steps finished
    total: int
    lanes: list[Lane]
    spec: RunSpec
    device: str

    @property
    def fraction(self) -> float:
        """Share of the work that is done."""
        return self.done / self.total

    def trace(self) -> Trace:
        """Everything recorded so far, drawable at any time."""
        spec = self.spec
        labels = [lane.method.entrant for lane in self.lanes]
        return Trace(
            spec=spec.model_dump(mode="json"), key=spec.key(),
            entrants=_entrants([lane.method for lane in self.lanes]),
            columns={label: lane.columns() for label, lane in zip(labels, self.lanes, strict=True)},
            plane=plane(spec.problem, self.lanes[0].problem) if spec.problem.plane else {},
            words={label: lane.words(0) for label, lane in zip(labels, self.lanes, strict=True)},
            ends={label: [lane.end(r) for r in range(min(spec.runs, 1000))]
                  for label, lane in zip(labels, self.lanes, strict=True)},
            device=self.device)


@torch.inference_mode()          # a fifth faster than no_grad at this size
def stream(spec: RunSpec) -> Iterator[Progress]:
    """Run a spec, yielding every few tens of milliseconds; the last value holds the whole run.

    Raises:
        DeviceError: the device asked for is not there.
    """
    device, words = resolve(spec.device, spec.dtype)
    problem = spec.problem.build(DTYPES[spec.dtype], device)
    set_threads(problem.size * spec.runs)
    lanes = [Lane(spec, method, problem) for method in spec.methods]
    total = spec.steps * len(lanes)
    while True:
        for lane in lanes:
            if lane.alive:
                lane.advance()
                yield Progress(sum(x.progress for x in lanes), total, lanes, spec, words)
        if not any(lane.alive for lane in lanes):
            yield Progress(total, total, lanes, spec, words)
            return


def run(spec: RunSpec) -> Trace:
    """Run a spec to its end."""
    *_, last = stream(spec)
    return last.trace()


class Lane:
    """One entrant on its way: its live state on the device, its recording on the host."""

    def __init__(self, spec: RunSpec, method: Method, problem: Problem):
        self.spec, self.method, self.problem = spec, method, problem
        R = spec.runs
        self.runs = torch.arange(R, device=problem.device)
        theta = problem.start(spec.seed, self.runs)
        self.p = method.tensors(R, theta)
        began = time.perf_counter()
        oracle = Oracle(problem, problem.reference(), R)
        self.state = method.init(oracle, theta, self.p)
        self.spent = oracle.work                                   # (alive,)
        spent_at_start = time.perf_counter() - began
        self.k, self.chunk = 0, 4
        self.status = np.full(R, "running", dtype="<U9")
        self.stopped = np.full(R, spec.steps)
        self.why = [""] * R
        first = self._instruments(theta[None])
        first["work"] = self.spent[None]
        self.clock = [np.array([spent_at_start])]
        start = {n: _host(v) for n, v in first.items()}
        self.parts: dict[str, list[np.ndarray]] = {n: [a] for n, a in start.items()}
        self._settle(start, 0)
        self._drop_finished()

    @property
    def alive(self) -> bool:
        """Whether any run goes on."""
        return bool((self.status == "running").any())

    @property
    def progress(self) -> int:
        """Steps done, counting a finished entrant as done."""
        return self.k if self.alive else self.spec.steps

    # --- going on ---------------------------------------------------------------------------------

    @torch.inference_mode()
    def advance(self) -> None:
        """Take one chunk of steps and record it."""
        count = min(self.chunk, self.spec.steps - self.k,
                    max(1, INSTRUMENT_ROWS // max(1, len(self.runs))))
        alive = self.runs.cpu().numpy()
        began = time.perf_counter()
        thetas, works, events, batches = [self.state.theta], [], [], []
        for batch in self.problem.batches(self.k, count, self.spec.seed, self.runs):
            oracle = Oracle(self.problem, batch, len(self.runs))
            batches.append(batch)
            self.state, seen = self.method.step(oracle, self.state, self.p)
            self.spent = self.spent + oracle.work
            thetas.append(self.state.theta)
            works.append(self.spent)
            if not batch.full and oracle.first is not None:
                seen["batch_loss"] = oracle.first
            events.append(seen)
        stacked = torch.stack(thetas[1:])
        if stacked.is_cuda:
            torch.cuda.synchronize()
        took = time.perf_counter() - began
        # at most doubling: steps past the end of the last run in a chunk are wasted
        aim = CHUNK_SECONDS / max(took / count, 1e-6)
        self.chunk = int(np.clip(aim, 1, min(2 * self.chunk, LONGEST_CHUNK)))
        new = self._instruments(stacked) | {"work": torch.stack(works)}
        new |= {n: _stack([e[n] for e in events]) for n in events[0]}
        if not batches[0].full and stacked.shape[-1] <= DENSE_INSTRUMENT:
            new |= self._batch_curvature(torch.stack(thetas[:-1]), Batch.concat(batches))
        self.clock.append(self.clock[-1][-1] + took / count * np.arange(1, count + 1))
        self._record({n: _host(v) for n, v in new.items()}, alive, count)
        self.k += count
        if self.k == self.spec.steps:
            self.status[self.status == "running"] = "budget"
        self._drop_finished()

    def _instruments(self, thetas: Tensor) -> dict[str, Tensor]:
        """What is reported at iterates (n, R, P): theta, loss, gradient norm, exact curvature."""
        n, R, P = thetas.shape
        tape = self.problem.forward(thetas.reshape(n * R, P), self.problem.reference())
        g = self.problem.join(self.problem.gradient(tape))
        seen = {"theta": thetas, "loss": tape.f, "grad_norm": g.norm(dim=1)}
        if P <= DENSE_INSTRUMENT:
            low, high = extremes(dense(self.problem, tape, "hessian"))
            seen |= {"hessian_min": low, "hessian_max": high}
        return {k: v.reshape(n, R, *v.shape[2 if k == "theta" else 1:]) for k, v in seen.items()}

    def _batch_curvature(self, thetas: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Extreme eigenvalues (n, R) of the Hessian that each step's own batch has."""
        n, R, P = thetas.shape
        tape = self.problem.forward(thetas.reshape(n * R, P), batch)
        low, high = extremes(dense(self.problem, tape, "hessian"))
        return {"batch_hessian_min": low.view(n, R), "batch_hessian_max": high.view(n, R)}

    def _record(self, new: dict[str, np.ndarray], alive: np.ndarray, count: int) -> None:
        """Spread the chunk of the living runs over all runs, then find who has ended in it."""
        full = {}
        for name, part in new.items():
            before = self.parts.get(name)
            shape = (count, self.spec.runs, *part.shape[2:])
            full[name] = np.full(shape, _blank(part.dtype), part.dtype)
            if before:
                full[name] = np.repeat(_pad(before[-1][-1:], shape), count, 0)
                if full[name].shape[2:] != part.shape[2:]:
                    part = _pad(part, full[name].shape)
            full[name][:, alive] = part
        self._settle(full, self.k + 1)
        for name, part in full.items():
            self.parts.setdefault(name, []).append(part)

    def _settle(self, part: dict[str, np.ndarray], first: int) -> None:
        """Decide which runs end within iterates first … , and freeze what comes after.

        A run that is no longer finite is frozen at its last finite iterate.
        """
        loss, grad = part["loss"], part["grad_norm"]
        finite = np.isfinite(loss) & np.isfinite(part["theta"]).all(-1)
        with np.errstate(invalid="ignore"):
            low = finite & (loss <= self.spec.stop_loss if self.spec.stop_loss is not None
                            else np.zeros_like(finite))
            flat = finite & (grad <= self.spec.stop_grad if self.spec.stop_grad is not None
                             else np.zeros_like(finite))
        ended = ~finite | low | flat
        for r in np.flatnonzero(ended.any(0) & (self.status == "running")):
            i = int(ended[:, r].argmax())
            self.stopped[r] = first + i
            if finite[i, r]:
                self.status[r] = "converged"
                self.why[r] = (f"loss {say(loss[i, r])} ≤ {say(self.spec.stop_loss or 0)}"
                               if low[i, r] else
                               f"‖∇f‖ = {say(grad[i, r])} ≤ {say(self.spec.stop_grad or 0)}")
            else:
                self.status[r] = "diverged"
            held = i if finite[i, r] else i - 1
            for name, a in part.items():
                iterate = name in STATE_COLUMNS
                at = held if iterate else i             # event row i led to iterate i
                if iterate and at < 0:
                    before = self.parts[name][-1] if name in self.parts else a
                    a[:, r] = before[-1, r]
                else:
                    a[at + 1:, r] = a[at, r]

    def _drop_finished(self) -> None:
        """What has ended leaves the batch."""
        left = self.status[self.runs.cpu().numpy()] == "running"
        if not left.all():
            index = torch.as_tensor(np.flatnonzero(left), device=self.problem.device)
            self.runs, self.spent = self.runs[index], self.spent[index]
            self.state, self.p = take(self.state, index), take(self.p, index)

    # --- looking back -----------------------------------------------------------------------------

    def columns(self) -> dict[str, np.ndarray]:
        """All columns so far, to the run's full length: what has ended repeats its last row."""
        T = self.spec.steps
        columns = {}
        for name, parts in self.parts.items():
            rows = T + (name in STATE_COLUMNS)
            whole = _concat(parts)
            if name not in STATE_COLUMNS and len({a.shape[2:] for a in parts}) > 1:
                whole = _trim(whole)
            columns[name] = _lengthen(whole, rows)
        columns["seconds"] = _lengthen(np.concatenate(self.clock), T + 1)
        return columns | {"status": self.status.copy(), "stopped": self.stopped.copy()}

    def words(self, run: int) -> list[str]:
        """One sentence per step that the run took."""
        events = {n: _concat(p)[:, run] for n, p in self.parts.items() if n not in STATE_COLUMNS}
        taken = min(int(self.stopped[run]), self.k)
        return [self.method.describe({n: a[t] for n, a in events.items()}) for t in range(taken)]

    def end(self, run: int) -> str:
        """How the run ended, in a sentence with its numbers."""
        t, status = int(self.stopped[run]), self.status[run]
        row = min(t, self.k)
        loss, grad = (self._at(n, row, run) for n in ("loss", "grad_norm"))
        if status == "converged":
            return f"Converged at step {t}: {self.why[run]}."
        if status == "diverged":
            return (f"Diverged at step {t}: the loss was {say(loss)} one step earlier, then no "
                    "longer finite. Try a smaller step size or more damping.")
        if status == "budget":
            return f"Used all {t} steps: loss {say(loss)}, ‖∇f‖ = {say(grad)}."
        return f"Interrupted at step {self.k}: loss {say(loss)}."

    def _at(self, name: str, row: int, run: int) -> float:
        for part in self.parts[name]:
            if row < len(part):
                return float(part[row, run])
            row -= len(part)
        return float(self.parts[name][-1][-1, run])


def _entrants(methods: list[Method]) -> list[Entrant]:
    """How each entrant is called and drawn; twins share a colour, not dash and marker."""
    entrants = []
    for i, m in enumerate(methods):
        name = m.entrant if m.label else m.title
        twins = sum(type(other) is type(m) for other in methods[:i])
        color, dash, marker = m.look
        entrants.append(Entrant(
            m.entrant, m.name, name, color,
            DASHES[(DASHES.index(dash) + twins) % len(DASHES)],
            MARKERS[(MARKERS.index(marker) + twins) % len(MARKERS)], m.family))
    return entrants


def _host(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().copy()


def _blank(dtype: np.dtype) -> float | bool:
    return np.nan if dtype.kind == "f" else False


def _stack(rows: list[Tensor]) -> Tensor:
    """Stack steps; a ragged last axis (Krylov iterations, trials) is padded with NaN."""
    if rows[0].ndim < 2 or len({r.shape[-1] for r in rows}) == 1:
        return torch.stack(rows)
    longest = max(r.shape[-1] for r in rows)
    return torch.stack([torch.nn.functional.pad(r, (0, longest - r.shape[-1]), value=torch.nan)
                        for r in rows])


def _pad(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Widen the last axis to that of `shape` with NaN, where it is shorter."""
    if a.ndim < 3 or a.shape[-1] >= shape[-1]:
        return a
    width = [(0, 0)] * (a.ndim - 1) + [(0, shape[-1] - a.shape[-1])]
    return np.pad(a, width, constant_values=np.nan)


def _concat(parts: list[np.ndarray]) -> np.ndarray:
    """Join chunks along time, padding a ragged last axis."""
    longest = max(parts, key=lambda a: a.shape[-1]).shape
    return np.concatenate([_pad(a, longest) for a in parts])


def _trim(a: np.ndarray) -> np.ndarray:
    """Cut places of a ragged last axis that no run used before it ended."""
    used = np.flatnonzero(~np.isnan(a).all((0, 1)))
    return a[..., :used[-1] + 1 if len(used) else 1]


def _lengthen(a: np.ndarray, rows: int) -> np.ndarray:
    """Repeat the last row up to the given number of rows."""
    return a if len(a) >= rows else np.concatenate([a, np.repeat(a[-1:], rows - len(a), 0)])
