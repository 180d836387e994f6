"""Random numbers as a pure function of (seed, stream, run, step, iteration).

Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
turns a counter into random bits without any state. Run 7 therefore draws the same noise alone,
among a thousand runs, in any tile, and on any device, which is what makes the run axis trustworthy.
"""

import math

import torch
from torch import Tensor

MASK = 0xFFFFFFFF
M0, M1 = 0xD2511F53, 0xCD9E8D57          # the multipliers and Weyl keys of the paper's table 2
W0, W1 = 0x9E3779B9, 0xBB67AE85

START, NOISE, TARGETS, DATA, SHUFFLE = range(5)          # streams: what the numbers are drawn for


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[
        Tensor, Tensor, Tensor, Tensor]:
    """Ten rounds of Philox4x32 on int64 tensors that hold 32-bit words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = M0 * c0, M1 * c2         # the low 64 bits of the product, as int64 wraps around
        c0, c1, c2, c3 = (((p1 >> 32) & MASK) ^ c1 ^ k0, p1 & MASK,
                          ((p0 >> 32) & MASK) ^ c3 ^ k1, p0 & MASK)
        k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    return c0, c1, c2, c3


def uniform(seed: int, stream: int, runs: Tensor, steps: Tensor, count: int,
            iteration: int = 0) -> Tensor:
    """Uniform numbers on [0, 1) with 53 random bits.

    Args:
        seed: the run's seed, 0 ≤ seed < 2⁶⁴.
        stream: what the numbers are for (START, NOISE, TARGETS).
        runs: (R,) int64 run numbers.
        steps: (T,) int64 step numbers; −1 is for draws before the first step.
        count: how many numbers each (step, run) gets.
        iteration: within a step, for what draws more than once, below 2¹⁶; 0 is the step's own.

    Returns:
        (T, R, count) float64.
    """
    blocks = torch.arange((count + 1) // 2, device=runs.device)
    block, run, step = torch.broadcast_tensors(
        blocks + (stream << 24), runs[None, :, None], steps[:, None, None])
    high = (run >> 32) | (iteration << 16)                   # runs stay below 2⁴⁸
    words = philox((block, step & MASK, run & MASK, high), (seed & MASK, (seed >> 32) & MASK))
    w0, w1, w2, w3 = words
    pairs = torch.stack([(w0 << 21) | (w1 >> 11), (w2 << 21) | (w3 >> 11)], -1)  # 53 bits each
    return pairs.flatten(-2)[..., :count].double() * 2.0**-53


def normal(seed: int, stream: int, runs: Tensor, steps: Tensor, count: int) -> Tensor:
    """Standard normal numbers (T, R, count), float64, by the Box-Muller transform."""
    u = uniform(seed, stream, runs, steps, 2 * count)
    radius = torch.sqrt(-2.0 * torch.log1p(-u[..., :count]))
    return radius * torch.cos(2.0 * math.pi * u[..., count:])
