"""The work of benches/networks.rs in PyTorch, one piece at a time, as alternate.py asks for it.

Arguments: the number of threads, and the variant: eager, channels-last, compiled or compiled-channels-last.
"""

import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from peers import Mlp, UNet

LAST = "channels-last" in sys.argv[2]
COMPILED = "compiled" in sys.argv[2]


def prepared(model):
    """The model in the layout of the variant, compiled if it says so."""
    if LAST:
        model = model.to(memory_format=torch.channels_last)
    return torch.compile(model) if COMPILED else model


def images(*shape):
    x = torch.randn(shape)
    return x.contiguous(memory_format=torch.channels_last) if LAST else x


def cifar():
    """torchcfm's UNet, with PyTorch's own attention and nothing computed twice."""
    from torchcfm.models.unet import UNetModel
    from torchcfm.models.unet import unet

    def attention(self, qkv):
        n, _, length = qkv.shape
        q, k, v = qkv.reshape(n, self.n_heads, -1, length).transpose(2, 3).chunk(3, 3)
        return F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(n, -1, length)

    unet.QKVAttentionLegacy.forward = attention
    unet.AttentionBlock.forward = unet.AttentionBlock._forward
    values = dict(channel_mult=[1, 2, 2, 2], num_heads=4, num_head_channels=64, attention_resolutions="16")
    model = UNetModel(dim=(3, 32, 32), num_res_blocks=2, num_channels=128, dropout=0.1, **values)
    assert sum(p.numel() for p in model.parameters()) == 35_746_307
    forward = prepared(model)
    return model, lambda x, t: forward(t, x)


class DiTBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 6 * width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, e):
        n, tokens, width = x.shape
        shift, scale, gate, shift2, scale2, gate2 = self.modulation(e)[:, None].chunk(6, 2)
        h = F.layer_norm(x, (width,), eps=1e-6) * (1 + scale) + shift
        q, k, v = self.qkv(h).view(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + gate * self.out(h)
        h = F.layer_norm(x, (width,), eps=1e-6) * (1 + scale2) + shift2
        return x + gate2 * self.second(F.gelu(self.first(h), approximate="tanh"))


class DiT(nn.Module):
    """DiT-S/2 without classes, as DiTConfig::small."""

    def __init__(self, channels=4, size=8, patch=2, width=384, depth=12, heads=6):
        super().__init__()
        self.patch = patch
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.register_buffer("positions", torch.randn(1, (size // patch) ** 2, width))
        self.blocks = nn.ModuleList([DiTBlock(width, heads) for _ in range(depth)])
        self.modulation = nn.Linear(width, 2 * width)
        self.head = nn.Linear(width, patch * patch * channels)

    def forward(self, x, t):
        n, c, height, width = x.shape
        angles = 1000 * t[:, None] * torch.exp(-math.log(10_000) * torch.arange(128) / 128)
        e = F.silu(self.time(torch.cat([angles.cos(), angles.sin()], 1)))
        h = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            h = block(h, e)
        shift, scale = self.modulation(e)[:, None].chunk(2, 2)
        h = self.head(F.layer_norm(h, h.shape[2:], eps=1e-6) * (1 + scale) + shift)
        p = self.patch
        h = h.view(n, height // p, width // p, p, p, c)
        return h.permute(0, 5, 1, 3, 2, 4).reshape(n, c, height, width)


def dit():
    model = DiT()
    return model, prepared(model)


def step(network, shape):
    model, forward = network
    parameters = list(model.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    x0, x1, t = images(*shape), images(*shape), torch.rand(shape[0])

    def run():
        s = t.view(-1, 1, 1, 1)
        loss = (forward(s * x1 + (1 - s) * x0, t) - (x1 - x0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in parameters], 1e-3)
        return loss.item()

    return run


def evaluation(network, shape):
    model, forward = network
    model.eval()
    x, t = images(*shape), torch.full((shape[0],), 0.5)

    @torch.inference_mode()
    def run():
        return forward(x, t)

    return run


def sample(model, shape):
    model = prepared(model.eval())
    x0, h = torch.randn(shape), 1 / 20

    @torch.inference_mode()
    def run():
        x = x0
        for i in range(20):
            t = torch.full((shape[0],), i * h)
            k1 = model(x, t)
            k2 = model(x + h * k1, t + h)
            x = x + h / 2 * (k1 + k2)
        return x

    return run


def both(work, *inputs):
    """Without gradients, and with all of them against a cotangent of ones."""
    forward = torch.compile(work) if COMPILED else work

    @torch.inference_mode()
    def value():
        return forward(*inputs)

    leaves = [x.clone().requires_grad_() for x in inputs]

    def gradients():
        for x in leaves:
            x.grad = None
        y = forward(*leaves)
        y.backward(torch.ones_like(y))

    return value, gradients


def layer(sizes, silu):
    rows, inputs, outputs = sizes
    x, weight, bias = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
    return both(lambda x, w, b: F.silu(F.linear(x, w, b)) if silu else F.linear(x, w, b), x, weight, bias)


def convolution(batch, channels, outputs, side):
    x, weight = images(batch, channels, side, side), torch.randn(outputs, channels, 3, 3)
    if LAST:
        weight = weight.contiguous(memory_format=torch.channels_last)
    return both(lambda x, w, b: F.conv2d(x, w, b, padding=1), x, weight, torch.randn(outputs))


def work(name):
    kind, of = name.split("/")
    sizes = [int(n) for n in of.split("x")] if of[0].isdigit() else []
    trains = kind.startswith("train-")
    match kind.removeprefix("train-"), of:
        case "train", "torchcfm-cifar10-batch-16":
            return step(cifar(), (16, 3, 32, 32))
        case "evaluate", "torchcfm-cifar10-batch-16":
            return evaluation(cifar(), (16, 3, 32, 32))
        case "train", "dit-s-2-batch-32":
            return step(dit(), (32, 4, 8, 8))
        case "evaluate", "dit-s-2-batch-32":
            return evaluation(dit(), (32, 4, 8, 8))
        case "sample", "one-point":
            return sample(Mlp(64, 3, nn.SELU), (1, 2))
        case "sample", "one-digit":
            return sample(UNet(), (1, 1, 8, 8))
        case "product", _:
            a, b = torch.randn(sizes[:2]), torch.randn(sizes[1:])
            return lambda: a @ b
        case "linear", _:
            return layer(sizes, False)[trains]
        case "linear-silu", _:
            return layer(sizes, True)[trains]
        case "conv", _:
            return convolution(*sizes)[trains]
        case "attention", _:
            return both(F.scaled_dot_product_attention, *(torch.randn(sizes) for _ in range(3)))[trains]
    raise SystemExit(f"no work is called {name}")


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)
    built, run = None, None
    for line in sys.stdin:
        name, count = line.split()
        if name != built:
            built, run = name, work(name)
            run()
        start = time.perf_counter()
        for _ in range(int(count)):
            run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
