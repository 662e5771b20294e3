"""The work of benches/*.rs in PyTorch, with the same shapes and the same optimizer, on the CPU.

Prints one JSON object: the name of each bench to the seconds of each of its repetitions.
"""

import copy
import json
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

REPETITIONS = 7


class Mlp(nn.Module):
    """[x, t] through `depth` hidden layers."""

    def __init__(self, width, depth, activation):
        super().__init__()
        sizes = [3] + [width] * depth
        layers = []
        for a, b in zip(sizes, sizes[1:]):
            layers += [nn.Linear(a, b), activation()]
        self.net = nn.Sequential(*layers, nn.Linear(width, 2))

    def forward(self, x, t, labels=None):
        return self.net(torch.cat([x, t[:, None]], 1))


def norm(channels):
    groups = next(g for g in range(max(1, min(32, channels // 4)), 0, -1) if channels % g == 0)
    return nn.GroupNorm(groups, channels)


class Block(nn.Module):
    """A residual block, scaled and shifted by the embedding."""

    def __init__(self, inputs, outputs, embedding):
        super().__init__()
        self.norm_in, self.conv_in = norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs)
        self.norm_out, self.conv_out = norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, e):
        h = self.conv_in(F.silu(self.norm_in(x)))
        a, b = self.modulation(e)[:, :, None, None].chunk(2, 1)
        return self.skip(x) + self.conv_out(F.silu(self.norm_out(h) * (1 + a) + b))


class UNet(nn.Module):
    """Two levels, one block a level on the way down and two on the way up, as UNetConfig::new."""

    def __init__(self, channels=32, classes=10, image=1):
        super().__init__()
        c, e = channels, 4 * channels
        self.channels = channels
        self.time = nn.Sequential(nn.Linear(c, e), nn.SiLU(), nn.Linear(e, e))
        self.classes = nn.Embedding(classes + 1, e) if classes else None
        self.none = classes
        self.stem = nn.Conv2d(image, c, 3, padding=1)
        self.down1, self.shrink = Block(c, c, e), nn.Conv2d(c, c, 3, stride=2, padding=1)
        self.down2 = Block(c, 2 * c, e)
        self.middle = nn.ModuleList([Block(2 * c, 2 * c, e), Block(2 * c, 2 * c, e)])
        self.up2 = nn.ModuleList([Block(4 * c, 2 * c, e), Block(3 * c, 2 * c, e)])
        self.grow = nn.Conv2d(2 * c, 2 * c, 3, padding=1)
        self.up1 = nn.ModuleList([Block(3 * c, c, e), Block(2 * c, c, e)])
        self.norm, self.head = norm(c), nn.Conv2d(c, image, 3, padding=1)

    def forward(self, x, t, labels=None):
        half = self.channels // 2
        frequencies = 1000 * torch.exp(-math.log(10_000) * torch.arange(half) / half)
        angles = t[:, None] * frequencies
        e = self.time(torch.cat([angles.cos(), angles.sin()], 1))
        if self.classes:
            if labels is None:
                labels = torch.full((len(x),), self.none)
            e = e + self.classes(labels)
        e = F.silu(e)
        h0 = self.stem(x)
        h1 = self.down1(h0, e)
        h2 = self.shrink(h1)
        h3 = self.down2(h2, e)
        h = h3
        for block in self.middle:
            h = block(h, e)
        for block, skip in zip(self.up2, [h3, h2]):
            h = block(torch.cat([h, skip], 1), e)
        h = self.grow(F.interpolate(h, scale_factor=2, mode="nearest"))
        for block, skip in zip(self.up1, [h1, h0]):
            h = block(torch.cat([h, skip], 1), e)
        return self.head(F.silu(self.norm(h)))


def timed(work):
    """Seconds of each repetition, each long enough to be measured, after a warm-up."""
    work()
    start = time.perf_counter()
    work()
    count = max(1, int(0.3 / (time.perf_counter() - start)))
    out = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        for _ in range(count):
            work()
        out.append((time.perf_counter() - start) / count)
    return out


def both(work, *inputs):
    """Value and gradient against a cotangent of ones."""
    inputs = [x.requires_grad_() for x in inputs]

    def run():
        for x in inputs:
            x.grad = None
        y = work(*inputs)
        y.backward(torch.ones_like(y))

    return timed(run)


def kernels():
    image, weight = torch.randn(16, 64, 32, 32), torch.randn(64, 64, 3, 3)
    small, row, wide = torch.randn(128, 64, 8, 8), torch.randn(64), torch.randn(512)
    return {
        "kernel/silu-16x64x32x32": both(F.silu, image),
        "kernel/group-norm-silu-16x64x32x32": both(
            lambda x, w, b: F.silu(F.group_norm(x, 16, w, b)), image.clone(), row, row.clone()
        ),
        "kernel/conv-3x3-64-to-64-16x32x32": both(
            lambda x, w, b: F.conv2d(x, w, b, padding=1), image.clone(), weight, row.clone()
        ),
        "kernel/conv-3x3-64-to-64-128x8x8": both(
            lambda x, w, b: F.conv2d(x, w, b, padding=1), small, weight.clone(), row.clone()
        ),
        "kernel/linear-silu-4096x512x512": both(
            lambda x, w, b: F.silu(x @ w + b), torch.randn(4096, 512), torch.randn(512, 512), wide
        ),
        "kernel/attention-16x4x64x32": both(
            lambda x: F.scaled_dot_product_attention(x, x, x, scale=0.18), torch.randn(16, 4, 64, 32)
        ),
        "kernel/normals-400k": timed(lambda: torch.randn(400_000)),
    }


def training(model, shape, labels=None, clip=None):
    """A step of flow matching with AdamW and a moving average."""
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    x0, x1, t = torch.randn(shape), torch.randn(shape), torch.rand(shape[0])

    def step():
        s = t.view(-1, *[1] * (len(shape) - 1))
        loss = (model(s * x1 + (1 - s) * x0, t, labels) - (x1 - x0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        with torch.no_grad():
            for a, b in zip(average.parameters(), model.parameters()):
                a.lerp_(b, 1e-3)
        return loss.item()

    return timed(step)


@torch.no_grad()
def sampling(model, shape, steps=50):
    """Heun from noise to data."""
    x0 = torch.randn(shape)

    def run():
        x, h = x0, 1 / steps
        for i in range(steps):
            t = torch.full((shape[0],), i * h)
            k1 = model(x, t)
            k2 = model(x + h * k1, t + h)
            x = x + h / 2 * (k1 + k2)
        return x

    return timed(run)


def clouds(n=512):
    """Normal points and points of eight Gaussians."""
    import numpy as np

    rng = np.random.default_rng(0)
    angle = np.pi / 4 * (np.arange(n) % 8)
    x0 = rng.standard_normal((n, 2))
    return x0, 5 * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.standard_normal((n, 2))


def coupling():
    """SciPy's exact assignment, with the cost matrix."""
    from scipy.optimize import linear_sum_assignment

    x0, x1 = clouds()
    return timed(lambda: linear_sum_assignment(((x0[:, None] - x1[None]) ** 2).sum(-1)))


def entropic(epsilon=0.02, tolerance=1e-3):
    """POT's sweeps in logarithms, as many hundreds as leave a marginal error of `tolerance`."""
    import numpy as np
    import ot

    x0, x1 = clouds()
    n = len(x0)
    weights = np.full(n, 1 / n)

    cost = ((x0[:, None] - x1[None]) ** 2).sum(-1)
    start, error, seconds = None, 1, 0
    while error > tolerance:
        clock = time.perf_counter()
        plan, log = ot.bregman.sinkhorn_log(
            weights, weights, cost, epsilon, numItermax=100, stopThr=0, warn=False, log=True, warmstart=start
        )
        seconds += time.perf_counter() - clock
        start = (log["log_u"], log["log_v"])
        error = np.abs(plan.sum(0) - weights).sum() + np.abs(plan.sum(1) - weights).sum()
    return [seconds]


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    torch.manual_seed(0)
    labels = torch.randint(0, 10, (128,))
    print(
        json.dumps(
            kernels()
            | {
                "train/mlp-3x64-batch-512": training(Mlp(64, 3, nn.SELU), (512, 2)),
                "train/mlp-3x512-batch-4096": training(Mlp(512, 3, nn.SiLU), (4096, 2)),
                "train/digits-unet-batch-128": training(UNet(), (128, 1, 8, 8), labels, 1.0),
                "train/image-unet-batch-16": training(UNet(64, 0, 3), (16, 3, 32, 32)),
                "sample/mlp-3x64-10k-points": sampling(Mlp(64, 3, nn.SELU), (10_000, 2)),
                "sample/digits-unet-100-images": sampling(UNet(), (100, 1, 8, 8)),
                "couple/512-normal-to-8gaussians/scipy": coupling(),
                "couple/512-entropic-to-8gaussians/pot": entropic(),
            }
        )
    )


if __name__ == "__main__":
    main()
