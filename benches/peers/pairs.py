"""torchcfm's loop on two moons: minibatch optimal transport by POT, an MLP of 3×64.

Prints steps a second. Needs torch, numpy, pot and torchcfm; the argument is the number of steps.
"""

import sys
import time

import numpy as np
import torch
from torch import nn
from torchcfm.conditional_flow_matching import ExactOptimalTransportConditionalFlowMatcher

BATCH = 512


def moons(rng, n):
    """The data of torchcfm's notebooks: scaled by 3 and moved by −1."""
    angle = np.pi * rng.random(n)
    upper = rng.random(n) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], 1) + 0.2 * rng.standard_normal((n, 2))
    return torch.tensor(3 * points - 1, dtype=torch.float32)


def main():
    torch.set_num_threads(2)
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    rng = np.random.default_rng(0)
    widths = [3, 64, 64, 64]
    layers = [layer for pair in zip(widths, widths[1:]) for layer in (nn.Linear(*pair), nn.SELU())]
    model = nn.Sequential(*layers, nn.Linear(64, 2))
    optimizer = torch.optim.Adam(model.parameters())
    matcher = ExactOptimalTransportConditionalFlowMatcher(sigma=0.1)

    def step():
        optimizer.zero_grad()
        x0, x1 = torch.randn(BATCH, 2), moons(rng, BATCH)
        t, xt, ut = matcher.sample_location_and_conditional_flow(x0, x1)
        loss = (model(torch.cat([xt, t[:, None]], 1)) - ut).square().mean()
        loss.backward()
        optimizer.step()

    for _ in range(20):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    print(f"{steps / (time.perf_counter() - start):.1f} steps/s")


if __name__ == "__main__":
    main()
