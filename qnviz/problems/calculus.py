"""A layered map with a loss, and its derivatives, written by hand.

    ā_{l−1} = [a_{l−1}; 1]      h_l = W_l ā_{l−1}      a_l = φ_l(h_l)      (MATH §1)
    u = r(h_L; ξ)               f = mean over samples of loss(u, target) + ½ τ ‖θ‖²

Shapes, everywhere: R runs, N samples, P parameters. theta (R, P) holds the blocks W_l
(R, out, in+1) one after the other; ā (R, N, in+1), h and g (R, N, out), losses (R,). All of it runs
with complex theta as well, and that *is* the complex-step method: products are plain, nothing is
conjugated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from qnviz.problems import philox
from qnviz.problems.activations import ACTIVATIONS
from qnviz.problems.losses import ALL_LOSSES
from qnviz.problems.products import activate, append_one, mean_outer, product
from qnviz.problems.spec import Layer
from qnviz.problems.tape import Batch, Tape


class LayeredMap:
    """Layers, an output map r and a loss, on one device; r is the identity unless overridden."""

    def __init__(self, layers: tuple[Layer, ...], loss: str, dtype: torch.dtype,
                 device: torch.device, tau: float = 0.0):
        self.layers, self.loss_name, self.loss = layers, loss, ALL_LOSSES[loss]
        self.dtype, self.device, self.tau = dtype, device, tau
        self.act = [ACTIVATIONS[layer.activation] for layer in layers]
        self.size = sum(layer.size for layer in layers)          # P
        self.units = sum(layer.fan_out for layer in layers)      # of all layers together

    # --- the output map -----------------------------------------------------------------------

    def output(self, h: Tensor, xi: Tensor) -> Tensor:
        """U = r(h; ξ); a plain net has u = h."""
        return h

    def output_jvp(self, h: Tensor, dh: Tensor, xi: Tensor) -> Tensor:
        """(∂u/∂h) dh."""
        return dh

    def output_vjp(self, h: Tensor, w: Tensor, xi: Tensor) -> Tensor:
        """(∂u/∂h)ᵀ w."""
        return w

    def output_curvature(self, h: Tensor, dh: Tensor, w: Tensor, xi: Tensor) -> Tensor | None:
        """Derivative of (∂u/∂h)ᵀ w along dh at fixed w; None where r is linear."""
        return None

    # --- parameters ---------------------------------------------------------------------------

    def split(self, theta: Tensor) -> list[Tensor]:
        """Theta (R, P) as views W_l (R, out, in+1)."""
        blocks, at = [], 0
        for layer in self.layers:
            blocks.append(theta[:, at:at + layer.size].view(-1, *layer.shape))
            at += layer.size
        return blocks

    def join(self, blocks: list[Tensor]) -> Tensor:
        """Blocks (R, out, in+1) as one vector (R, P)."""
        flat = [b.reshape(b.shape[0], -1) for b in blocks]
        return flat[0] if len(flat) == 1 else torch.cat(flat, 1)

    # --- passes and products ------------------------------------------------------------------

    def forward(self, theta: Tensor, batch: Batch) -> Tape:
        """One forward pass; theta may be complex."""
        W = self.split(theta)
        x = batch.x.to(theta.dtype)
        a, h, out = [append_one(x) if self.layers[0].bias else x], [], []
        for l, W_l in enumerate(W):
            h.append(product(a[l], W_l.mT))
            if l + 1 < len(W):
                z, appended = activate(self.act[l], h[l], self.layers[l + 1].bias)
                out.append(z)
                a.append(appended)
        u = self.output(h[-1], batch.xi)
        return Tape(batch, theta, W, a, h, out, u, self._value, self.loss.hessian)

    def _value(self, tape: Tape) -> Tensor:
        f = self.loss.value(tape.u, tape.batch.target)
        f = f[:, 0] if f.shape[1] == 1 else f.mean(-1)      # nothing to average
        if self.tau:
            f = f + 0.5 * self.tau * (tape.theta * tape.theta).sum(-1)
        return f

    def output_gradient(self, tape: Tape) -> Tensor:
        """∇_u of the loss, per sample."""
        return self.loss.gradient(tape.u, tape.batch.target)

    def pull_back(self, tape: Tape, w: Tensor) -> list[Tensor]:
        """From w on u back through the net: per-sample w on each h_l."""
        g = [torch.empty(0)] * len(self.layers)
        g[-1] = self.output_vjp(tape.h[-1], w, tape.batch.xi)
        for l in range(len(self.layers) - 1, 0, -1):
            back = product(g[l], tape.W[l][..., :self.layers[l].fan_in])
            g[l - 1] = self.act[l - 1].times_slope(back, tape.h[l - 1], tape.out[l - 1])
        return g

    def backward(self, tape: Tape) -> None:
        """Leaves g_l on the tape; the products ∇W_l = E[g_l āᵀ], half of the work, are not made."""
        tape.g = self.pull_back(tape, self.output_gradient(tape))

    def gradient(self, tape: Tape) -> list[Tensor]:
        """∇W_l per block; leaves g_l on the tape."""
        self.backward(tape)
        blocks = [mean_outer(g, a) for g, a in zip(tape.g, tape.a, strict=True)]
        if self.tau:
            blocks = [G + self.tau * W for G, W in zip(blocks, tape.W, strict=True)]
        return blocks

    def vjp(self, tape: Tape, w: Tensor) -> Tensor:
        """E[Jᵀ w], (R, P)."""
        return self.join([mean_outer(g, a) for g, a in zip(self.pull_back(tape, w), tape.a,
                                                           strict=True)])

    def jvp(self, tape: Tape, v: Tensor) -> Tensor:
        """J v per sample, (R, N, outputs), for v (R, P)."""
        return self._push_forward(tape, v)[0]

    def _push_forward(self, tape: Tape, v: Tensor) -> tuple[
            Tensor, list[Tensor | None], list[Tensor]]:
        """J v with the tangents of all ā and h, which the Hessian-vector product reuses."""
        da: list[Tensor | None] = [None]      # the input has no tangent
        dh: list[Tensor] = []
        for l, V in enumerate(self.split(v)):
            layer = self.layers[l]
            d = product(tape.a[l], V.mT)
            if (tangent := da[l]) is not None:
                d = product(tangent, tape.W[l][..., :layer.fan_in].mT, onto=d)
            dh.append(d)
            if l + 1 < len(self.layers):
                da.append(self.act[l].times_slope(d, tape.h[l], tape.out[l]))
        return self.output_jvp(tape.h[-1], dh[-1], tape.batch.xi), da, dh

    def gauss_newton_vector(self, tape: Tape, v: Tensor) -> Tensor:
        """(E[Jᵀ H_u J] + τI) v, (R, P)."""
        Gv = self.vjp(tape, tape.H_u * self.jvp(tape, v))
        return Gv + self.tau * v if self.tau else Gv

    def hessian_vector(self, tape: Tape, v: Tensor) -> Tensor:
        """H v, (R, P), by carrying (real, imaginary/h) pairs through both passes (MATH §5).

        The real parts are those of the tape; only the imaginary/h parts are computed. As pairs are
        dual numbers, this is also Pearlmutter's R-operator (1994).
        """
        if not tape.g:
            self.backward(tape)
        du, da, dh = self._push_forward(tape, v)
        V, xi = self.split(v), tape.batch.xi
        dw = tape.H_u * du
        dg = self.output_vjp(tape.h[-1], dw, xi)
        bend = self.output_curvature(tape.h[-1], dh[-1], self.output_gradient(tape), xi)
        dg = dg if bend is None else dg + bend
        blocks, samples = [torch.empty(0)] * len(V), du.shape[1]
        for l in range(len(V) - 1, -1, -1):
            layer, g = self.layers[l], tape.g[l]
            block = product(dg.mT, tape.a[l])
            if (tangent := da[l]) is not None:
                part = product(g.mT, tangent)
                if layer.bias:                    # the appended 1 is constant: its tangent is 0
                    part = torch.cat([part, torch.zeros_like(part[..., :1])], -1)
                block = block + part
            blocks[l] = block / samples
            if l:
                W, V_l = tape.W[l][..., :layer.fan_in], V[l][..., :layer.fan_in]
                phi, h, out = self.act[l - 1], tape.h[l - 1], tape.out[l - 1]
                dg = phi.times_slope(product(dg, W, onto=product(g, V_l)), h, out)
                if phi.curve is not None:
                    dg = dg + product(g, W) * phi.curve(h, out) * dh[l - 1]
        Hv = self.join(blocks)
        return Hv + self.tau * v if self.tau else Hv

    def sampled_gradient(self, tape: Tape) -> list[Tensor]:
        """Per-sample g_l for targets drawn from the model's own predictive distribution."""
        b, shape = tape.batch, tape.u.shape
        steps = torch.tensor([b.step], device=self.device)

        def draw(source: Callable[..., Tensor]) -> Tensor:
            numbers = source(b.seed, philox.TARGETS, b.runs, steps, shape[1] * shape[2])[0]
            # runs that share their draws are given as one
            return numbers.view(-1, *shape[1:]).expand(shape).to(self.dtype)

        w = self.loss.sampled_gradient(tape.u, partial(draw, philox.uniform),
                                       partial(draw, philox.normal))
        return self.pull_back(tape, w)
