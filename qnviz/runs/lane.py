"""One entrant on its way: its live state on the device, advanced and looked at chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.oracle import ROOM, Oracle, dense, tapes
from qnviz.curvature.spectrum import eigenvalues, extremes
from qnviz.methods.base import Events, Method, join, take
from qnviz.problems.norms import norm
from qnviz.problems.problem import Problem
from qnviz.problems.tape import Batch
from qnviz.runs.ends import ENDED, FAILED, STATUS
from qnviz.runs.record import Recording
from qnviz.runs.spec import RunSpec

CHUNK_SECONDS = 0.04                 # how long a chunk should take: an interrupt waits no longer
LONGEST_CHUNK = 64
DENSE_INSTRUMENT = 8                 # up to this many parameters the exact Hessian is watched
DENSE_VIEW = 400                     # up to this many, views hold the Hessian's eigenvalues,
DENSE_ROOM = 1_000_000               # if its products hold no more numbers than this
WATCHED_MATRIX = 128                 # up to this size spectra are taken at every step


class Lane:
    """One entrant's runs."""

    def __init__(self, spec: RunSpec, method: Method, problem: Problem,
                 check: Callable[[], None]):
        self.spec, self.method, self.problem, self.check = spec, method, problem, check
        self.record = Recording(spec, method.ragged)
        self._said: list[str] = []
        R, n = spec.runs, method.matrix(spec.problem)
        self.look_every, self.view_every = spec.look_every, spec.view_every
        self.watch_every = -(-n * n // WATCHED_MATRIX**2)           # 0: there is no matrix
        self.runs = torch.arange(R, device=problem.device)          # those still alive
        theta = problem.start(spec.seed, self.runs)
        # before a fork another method acts, with settings of its own
        self.stages = [(0, method)] if spec.fork is None else [
            (0, spec.fork.method), (spec.fork.step, method)]
        self.settings = [m.tensors(R, theta) for _, m in self.stages]
        began = time.perf_counter()
        oracle = Oracle(problem, problem.training(spec.seed, self.runs), R, check, spec.steps)
        self.state = self.stages[0][1].init(oracle, theta, self.settings[0])
        self.spent = oracle.work                                    # (alive,)
        self.record.clock.append(np.array([time.perf_counter() - began]))
        self.chunk = 4
        self.longest = max(1, min(LONGEST_CHUNK, ROOM // (R * (problem.size + n * n))))
        self.start = theta[:1]
        first = self._look(theta[None]) | {"work": self.spent[None]}
        self.record.append(_hosted(first), np.arange(R), 0)
        self._settle([0], [self.stages[0][1].ending(self.state)], np.arange(R), self.stages[0][1])
        if self.view_every:
            self._view(0, theta[:1], self.state)
        self._drop_finished()

    @property
    def alive(self) -> bool:
        """Whether any run goes on."""
        return bool((self.record.status == "running").any())

    @property
    def progress(self) -> int:
        """Steps done, counting a finished entrant as done."""
        return self.record.k if self.alive else self.spec.steps

    def words(self) -> list[str]:
        """One sentence per step that run 0 took."""
        said = self._said
        taken = min(int(self.record.stopped[0]), self.record.k)
        if taken > len(said):                          # a growing run is asked again and again
            events = self.record.events(0)
            said += [self.stages[self._stage(t)][1].describe({n: a[t] for n, a in events.items()})
                     for t in range(len(said), taken)]
        return said[:taken]

    def _stage(self, step: int) -> int:
        """Which of the methods takes a step."""
        return max(i for i, (first, _) in enumerate(self.stages) if first <= step)

    # --- going on ---------------------------------------------------------------------------------

    @torch.inference_mode()
    def advance(self) -> None:
        """Take one chunk of steps and record it; what `check` raises undoes the chunk."""
        before = self.state, self.spent
        try:
            self._advance()
        except BaseException:
            self.state, self.spent = before
            raise

    def _advance(self) -> None:
        first = self.record.k
        stage = self._stage(first)
        method, p = self.stages[stage][1], self.settings[stage]
        until = next((s for s, _ in self.stages if s > first), self.spec.steps)
        count = min(self.chunk, until - first)                  # a chunk is one method's
        alive = self.runs.cpu().numpy()
        began = time.perf_counter()
        looked, works, events, batches, shown, viewed = [], [], [], [], {}, []
        endings = []
        for k, batch in enumerate(self.problem.batches(first, count, self.spec.seed, self.runs),
                                  first):
            oracle, state = Oracle(self.problem, batch, len(self.runs), self.check), self.state
            self.state, seen = method.step(oracle, state, p)
            self.spent = self.spent + oracle.work
            works.append(self.spent)
            if not batch.full and oracle.first is not None:
                aside = time.perf_counter()             # looking is not the method's time
                seen["batch_loss"] = oracle.first.f
                began += time.perf_counter() - aside
                if self.problem.size <= DENSE_INSTRUMENT:
                    batches.append((state.theta, batch))
            events.append(seen)
            if self._watched(k):
                shown |= {k: method.shown(state), k + 1: method.shown(self.state)}
            if self._due(k + 1, self.look_every):
                looked.append((k + 1, self.state.theta))
                endings.append(method.ending(self.state))
            if self._due(k + 1, self.view_every) and alive[0] == 0:
                viewed.append((k + 1, self.state))
        if self.spent.is_cuda:
            torch.cuda.synchronize()
        took = time.perf_counter() - began
        new = {n: _stack([e[n] for e in events]) for n in events[0]}
        new |= {"work": torch.stack(works)} | self._watch(shown, events, first, stage)
        if batches:
            theta, seen_batches = zip(*batches, strict=True)
            new |= self._batch_curvature(torch.stack(theta), Batch.concat(list(seen_batches)))
        if looked:
            new |= self._look(torch.stack([theta for _, theta in looked]))
        record = self.record
        record.clock.append(record.clock[-1][-1] + took / count * np.arange(1, count + 1))
        record.append(_hosted(new), alive, count)
        self._settle([k for k, _ in looked], endings, alive, method)
        self._show(viewed)
        self._drop_finished()
        # at most doubling: steps past the end of the last run in a chunk are wasted
        aim = CHUNK_SECONDS / max(took / count, 1e-6)
        self.chunk = int(np.clip(aim, 1, min(2 * self.chunk, self.longest)))

    def _settle(self, looked: list[int], endings: list[Tensor | None], alive: np.ndarray,
                method: Method) -> None:
        """Decide which runs ended at the iterates looked at; `endings` are the method's own."""
        record, own = self.record, np.zeros((len(looked), self.spec.runs), dtype=np.int64)
        told = [e for e in endings if e is not None]
        if told:
            own[:, alive] = torch.stack(told).cpu().numpy()
        record.settle(looked, own)
        for i, r in enumerate(alive):
            if record.status[r] in (STATUS[ENDED], STATUS[FAILED]):
                record.own[r] = method.end_message(self.state, i)

    def _show(self, viewed: list[tuple[int, Any]]) -> None:
        """Keep the views of run 0, up to where it ended."""
        record = self.record
        for k, state in viewed:
            if k <= record.stopped[0]:
                self._view(k, state.theta[:1], state)
        if record.view_step and record.status[0] != "running":
            row = record.last_row(0)                # the end of run 0 may lie between two views
            if record.step[row] > record.view_step[-1]:
                theta = torch.as_tensor(record.at("theta", row, 0), device=self.problem.device)
                self._view(record.step[row], theta[None], None)

    def _due(self, iterate: int, every: int) -> bool:
        return every > 0 and (iterate % every == 0 or iterate == self.spec.steps)

    def _watched(self, k: int) -> bool:
        return self.watch_every > 0 and (
            k % self.watch_every == 0 or k == self.spec.steps - 1)

    def _drop_finished(self) -> None:
        """What has ended leaves the batch."""
        left = self.record.status[self.runs.cpu().numpy()] == "running"
        if not left.all():
            index = torch.as_tensor(np.flatnonzero(left), device=self.problem.device)
            self.runs, self.spent = self.runs[index], self.spent[index]
            self.state, self.settings = take(self.state, index), take(self.settings, index)

    # --- looking ----------------------------------------------------------------------------------

    def _look(self, thetas: Tensor) -> dict[str, Tensor]:
        """What is reported at iterates (n, R, P): theta, loss, ‖∇f‖, and the problem's own."""
        n, R, P = thetas.shape
        parts = []
        for tape in tapes(self.problem, thetas.reshape(n * R, P), self.problem.reference(),
                          self.check):
            g = self.problem.join(self.problem.gradient(tape))
            seen = {"loss": tape.f, "grad_norm": norm(g)} | self.problem.report(tape.theta)
            if P <= DENSE_INSTRUMENT:
                low, high = extremes(dense(self.problem, tape, "hessian"))
                seen |= {"hessian_min": low, "hessian_max": high}
            parts.append(seen)
        return {"theta": thetas} | {name: torch.cat([part[name] for part in parts]).view(n, R)
                                    for name in parts[0]}

    def _batch_curvature(self, thetas: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Extreme eigenvalues (n, R) of the Hessian that each step's own batch has."""
        n, R, P = thetas.shape
        tape = self.problem.forward(thetas.reshape(n * R, P), batch)
        low, high = extremes(dense(self.problem, tape, "hessian"))
        return {"batch_hessian_min": low.view(n, R), "batch_hessian_max": high.view(n, R)}

    def _watch(self, shown: dict[int, Any], events: list[Events], first: int,
               stage: int) -> dict[str, Tensor]:
        """Spectra around the watched steps of a chunk, all measured in one batched call."""
        order = sorted(shown)
        at = [k for k in order if self._watched(k) and k + 1 in shown]
        if not at:
            return {}
        R, method, p = len(self.runs), self.stages[stage][1], self.settings[stage]
        numbers = method.measure(join([shown[k] for k in order]), _tiled(p, len(order)))

        def measured(shift: int) -> Events:
            rows = [order.index(k + shift) for k in at]
            return {name: v.view(len(order), R, *v.shape[1:])[rows].flatten(0, 1)
                    for name, v in numbers.items()}

        seen = {name: torch.cat([events[k - first][name] for k in at]) for name in events[0]
                if len({e[name].shape for e in events}) == 1}
        added = method.watch(measured(0), measured(1), seen, _tiled(p, len(at)))
        spread = {}
        for name, v in added.items():
            spread[name] = v.new_full((len(events), R, *v.shape[1:]), torch.nan)
            spread[name][[k - first for k in at]] = v.view(len(at), R, *v.shape[1:])
        return spread

    def _view(self, iterate: int, theta: Tensor, state: Any | None) -> None:
        """Keep what a person sees of run 0 at an iterate; `state` is the state there, if known."""
        views = self.problem.views(theta, self.start)
        batch, P = self.problem.reference(), self.problem.size
        if P <= DENSE_VIEW and P * batch.x.shape[1] * self.problem.units <= DENSE_ROOM:
            tape = self.problem.forward(theta, batch)
            views["hessian"] = eigenvalues(dense(self.problem, tape, "hessian"))
        seen = {f"view_{n}": a[0] for n, a in _hosted(views).items()}
        if state is not None:
            alone = take(state, torch.zeros(1, dtype=torch.int64, device=theta.device))
            for name, layers in self.method.spectra(alone).items():
                rows = [values[0].cpu().numpy() for values in layers]
                widest = max(map(len, rows))
                seen[f"view_spectrum_{name}"] = np.stack([np.pad(
                    r, (0, widest - len(r)), constant_values=np.nan) for r in rows])
        self.record.view(iterate, seen)


def _tiled(p: SimpleNamespace, times: int) -> SimpleNamespace:
    return SimpleNamespace(**{name: v.repeat(times) for name, v in vars(p).items()})


def _hosted(new: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: x.detach().cpu().numpy().copy() for name, x in new.items()}


def _stack(rows: list[Tensor]) -> Tensor:
    """Stack steps; a ragged last axis (Krylov iterations, trials) is padded with NaN."""
    if rows[0].ndim < 2 or len({r.shape[-1] for r in rows}) == 1:
        return torch.stack(rows)
    longest = max(r.shape[-1] for r in rows)
    return torch.stack([torch.nn.functional.pad(r, (0, longest - r.shape[-1]), value=torch.nan)
                        for r in rows])
