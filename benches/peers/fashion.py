"""Fashion-MNIST by torchcfm, as its notebook for MNIST trains: to be compared with `pyroclast train fashion`.

    python fashion.py MINUTES IDX_FOLDER SAMPLES.npy [N]

Trains for this long on the CPU, in minutes of processor time (on two cores, twice those of the clock), then draws
N images (default 5000) of all classes in turn with 20 steps of Heun's method, and writes them as 8-bit numbers. Needs the packages torch, torchcfm and numpy.
"""

import copy
import gzip
import sys
import time

import numpy as np
import torch
from torchcfm.conditional_flow_matching import ConditionalFlowMatcher
from torchcfm.models.unet import UNetModel

BATCH, EMA, STEPS = 128, 0.995, 20


def idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def heun(model, x, y):
    """From t = 0 to 1 in equal steps, the last one as the others."""
    dt = 1.0 / STEPS
    for k in range(STEPS):
        t = torch.full((len(x),), k * dt)
        v = model(t, x, y)
        w = model(t + dt, x + dt * v, y)
        x = x + dt / 2 * (v + w)
    return x


def main():
    minutes, folder, out = float(sys.argv[1]), sys.argv[2], sys.argv[3]
    n = int(sys.argv[4]) if len(sys.argv) > 4 else 5000
    torch.manual_seed(0)
    images = idx(f"{folder}/train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = torch.from_numpy(idx(f"{folder}/train-labels-idx1-ubyte.gz", 8).astype(np.int64))
    data = torch.from_numpy(images.astype(np.float32) / 127.5 - 1)
    model = UNetModel(dim=(1, 28, 28), num_channels=32, num_res_blocks=1, num_classes=10, class_cond=True)
    optimizer = torch.optim.Adam(model.parameters())
    # The notebook samples the raw weights; their average is better, and as ours is.
    average = copy.deepcopy(model)
    flow = ConditionalFlowMatcher(sigma=0.0)
    start, step = time.process_time(), 0
    while time.process_time() - start < 60 * minutes:
        order = torch.randperm(len(data))
        for rows in order.split(BATCH)[: len(data) // BATCH]:
            if time.process_time() - start >= 60 * minutes:
                break
            x1, y = data[rows], labels[rows]
            t, xt, ut = flow.sample_location_and_conditional_flow(torch.randn_like(x1), x1)
            loss = (model(t, xt, y) - ut).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            # A few hundred steps would leave much of the first weights in a plain average.
            decay = min(EMA, (1 + step) / (10 + step))
            with torch.no_grad():
                for a, b in zip(average.parameters(), model.parameters()):
                    a.lerp_(b, 1 - decay)
            if step % 100 == 0:
                print(f"step {step}  loss {loss.item():.4f}  {time.process_time() - start:.0f} s", flush=True)
    print(f"{step} steps of {BATCH} in {time.process_time() - start:.0f} s, "
          f"{sum(p.numel() for p in model.parameters())} parameters")
    average.eval()
    drawn = []
    with torch.no_grad():
        for first in range(0, n, 250):
            y = torch.arange(first, min(first + 250, n)) % 10
            drawn.append(heun(average, torch.randn(len(y), 1, 28, 28), y))
    pixels = (127.5 * torch.cat(drawn) + 127.5).round().clamp(0, 255).to(torch.uint8)
    np.save(out, pixels.numpy())


main()
