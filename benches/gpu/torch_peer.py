"""The work of benches/gpu in PyTorch, with the same shapes, on the first CUDA device.

Appends lines of JSON to the file that is named: name, precision, variant, median, least and most seconds.
`python torch_peer.py FILE [kernels] [steps] [sampling] [--only NAME] [--variant eager|compiled]`
"""

import argparse
import copy
import json
import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

DEVICE = "cuda"
PARSER = argparse.ArgumentParser()
PARSER.add_argument("file")
PARSER.add_argument("sections", nargs="*", default=["kernels", "steps", "sampling"])
PARSER.add_argument("--only", default="")
PARSER.add_argument("--variant", default="")
ARGUMENTS = PARSER.parse_args()
OUT = open(ARGUMENTS.file, "a")


def wants(name, variant):
    return ARGUMENTS.only in name and ARGUMENTS.variant in variant


def timed(name, precision, variant, work):
    if not wants(name, variant):
        return

    def wait():
        torch.cuda.synchronize()

    start = time.perf_counter()
    work()
    wait()
    first = time.perf_counter() - start
    for _ in range(3):
        work()
    wait()
    start = time.perf_counter()
    work()
    wait()
    count = math.ceil(0.06 / (time.perf_counter() - start))
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(count):
            work()
        wait()
        seconds.append((time.perf_counter() - start) / count)
    seconds.sort()
    row = dict(name=name, precision=precision, variant=variant, median=seconds[3], least=seconds[0], most=seconds[-1])
    row["first"] = round(first, 3)
    OUT.write(json.dumps(row) + "\n")
    OUT.flush()
    print(row, flush=True)


def precise(precision):
    tf32 = precision != "f32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


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


class Attention(nn.Module):
    """Self-attention over pixels."""

    def __init__(self, channels, heads):
        super().__init__()
        self.norm, self.heads = norm(channels), heads
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x):
        n, c, h, w = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(tokens).view(n, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, c)
        return x + self.out(mixed).transpose(1, 2).reshape(n, c, h, w)


class Stage(nn.Module):
    def __init__(self, inputs, outputs, embedding, heads):
        super().__init__()
        self.block = Block(inputs, outputs, embedding)
        self.attention = Attention(outputs, heads) if heads else nn.Identity()

    def forward(self, x, e):
        return self.attention(self.block(x, e))


class UNet(nn.Module):
    """Pyroclast's UNet: UNetConfig with these values."""

    def __init__(self, image, size, channels=32, multipliers=(1, 2), blocks=1, attention=(), heads=1, classes=0):
        super().__init__()
        c, e = channels, 4 * channels
        self.channels = c
        self.time = nn.Sequential(nn.Linear(c, e), nn.SiLU(), nn.Linear(e, e))
        self.classes = nn.Embedding(classes + 1, e) if classes else None
        self.none = classes
        self.stem = nn.Conv2d(image, c, 3, padding=1)
        skips, current, levels = [c], c, len(multipliers)
        attends = [heads if size >> i in attention else 0 for i in range(levels)]
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for i, m in enumerate(multipliers):
            stages = nn.ModuleList()
            for _ in range(blocks):
                stages.append(Stage(current, c * m, e, attends[i]))
                current = c * m
                skips.append(current)
            self.down.append(stages)
            if i + 1 < levels:
                self.shrink.append(nn.Conv2d(current, current, 3, stride=2, padding=1))
                skips.append(current)
        self.middle = nn.ModuleList(
            [Stage(current, current, e, heads if attention else 0), Stage(current, current, e, 0)]
        )
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for i, m in reversed(list(enumerate(multipliers))):
            stages = nn.ModuleList()
            for _ in range(blocks + 1):
                stages.append(Stage(current + skips.pop(), c * m, e, attends[i]))
                current = c * m
            self.up.append(stages)
            if i > 0:
                self.grow.append(nn.Conv2d(current, current, 3, padding=1))
        self.norm, self.head = norm(current), nn.Conv2d(current, image, 3, padding=1)

    def forward(self, x, t, labels=None):
        half = self.channels // 2
        frequencies = 1000 * torch.exp(-math.log(10_000) * torch.arange(half, device=x.device) / half)
        angles = t[:, None] * frequencies
        e = self.time(torch.cat([angles.cos(), angles.sin()], 1))
        if self.classes:
            if labels is None:
                labels = torch.full((len(x),), self.none, device=x.device)
            e = e + self.classes(labels)
        e = F.silu(e)
        h = self.stem(x)
        skips = [h]
        for i, stages in enumerate(self.down):
            for stage in stages:
                h = stage(h, e)
                skips.append(h)
            if i < len(self.shrink):
                h = self.shrink[i](h)
                skips.append(h)
        for stage in self.middle:
            h = stage(h, e)
        for i, stages in enumerate(self.up):
            for stage in stages:
                h = stage(torch.cat([h, skips.pop()], 1), e)
            if i < len(self.grow):
                h = self.grow[i](F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.head(F.silu(self.norm(h)))


class DiTBlock(nn.Module):
    """Attention and two layers on each token, shifted, scaled and gated by the embedding."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 6 * width)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6, elementwise_affine=False) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, e):
        n, tokens, width = x.shape
        shift, scale, gate, shift2, scale2, gate2 = self.modulation(e)[:, None].chunk(6, 2)
        h = self.norms[0](x) * (1 + scale) + shift
        q, k, v = self.qkv(h).view(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + gate * self.out(mixed)
        h = self.norms[1](x) * (1 + scale2) + shift2
        return x + gate2 * self.second(F.gelu(self.first(h), approximate="tanh"))


class DiT(nn.Module):
    """DiT of depth 12 on latents of 32x32x4, in patches of 2x2."""

    def __init__(self, width, classes=1000):
        super().__init__()
        self.none = classes
        self.patches = nn.Conv2d(4, width, 2, stride=2)
        self.register_buffer("places", torch.randn(1, 256, width))
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.classes = nn.Embedding(classes + 1, width)
        self.blocks = nn.ModuleList(DiTBlock(width, width // 64) for _ in range(12))
        self.modulation = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.head = nn.Linear(width, 16)

    def forward(self, x, t, labels=None):
        n = len(x)
        frequencies = 1000 * torch.exp(-math.log(10_000) * torch.arange(128, device=x.device) / 128)
        angles = t[:, None] * frequencies
        if labels is None:
            labels = torch.full((n,), self.none, device=x.device)
        e = F.silu(self.time(torch.cat([angles.cos(), angles.sin()], 1)) + self.classes(labels))
        h = self.patches(x).flatten(2).transpose(1, 2) + self.places
        for block in self.blocks:
            h = block(h, e)
        shift, scale = self.modulation(e)[:, None].chunk(2, 2)
        h = self.head(self.norm(h) * (1 + scale) + shift)
        return h.view(n, 16, 16, 2, 2, 4).permute(0, 5, 1, 3, 2, 4).reshape(n, 4, 32, 32)


def networks():
    cifar = dict(channels=128, multipliers=(1, 2, 2, 2), blocks=2, attention=(16,), heads=4)
    return {
        "digits-unet": (lambda: UNet(1, 8, classes=10), (1, 8, 8), True),
        "cifar-unet": (lambda: UNet(3, 32, **cifar), (3, 32, 32), False),
        "dit-s-2": (lambda: DiT(384), (4, 32, 32), True),
        "dit-b-2": (lambda: DiT(768), (4, 32, 32), True),
    }


def variants():
    """Precision, eager or compiled, channels last or first: how PyTorch's users would run it."""
    for precision in ["f32", "tf32", "bf16"]:
        yield precision, "eager", precision != "f32"
    for precision in ["tf32", "bf16"]:
        yield precision, "compiled", True


def steps():
    for name, (make, shape, labelled) in networks().items():
        for precision, variant, last in variants():
            if not wants(name, variant):
                continue
            precise(precision)
            model = make().to(DEVICE)
            if last:
                model = model.to(memory_format=torch.channels_last)
            average = copy.deepcopy(model)
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0, fused=True)
            both = list(average.parameters()), list(model.parameters())
            x0, x1 = torch.randn(128, *shape, device=DEVICE), torch.randn(128, *shape, device=DEVICE)
            t = torch.rand(128, device=DEVICE)
            labels = torch.arange(128, device=DEVICE) % 10 if labelled else None
            run = torch.compile(model) if variant == "compiled" else model

            def step():
                s = t.view(-1, 1, 1, 1)
                with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
                    v = run(s * x1 + (1 - s) * x0, t, labels)
                loss = (v.float() - (x1 - x0)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(both[1], 1.0)
                optimizer.step()
                with torch.no_grad():
                    torch._foreach_lerp_(*both, 1e-3)

            timed(f"train/{name}-batch-128", precision, variant, step)


@torch.no_grad()
def sampling():
    for name, (make, shape, _) in networks().items():
        for precision, variant, last in variants():
            if not wants(name, variant):
                continue
            precise(precision)
            model = make().to(DEVICE)
            if last:
                model = model.to(memory_format=torch.channels_last)
            x0 = torch.randn(100, *shape, device=DEVICE)
            run_model = torch.compile(model) if variant == "compiled" else model

            def run():
                x, h = x0, 1 / 20
                with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
                    for i in range(20):
                        t = torch.full((100,), i * h, device=DEVICE)
                        k1 = run_model(x, t)
                        k2 = run_model(x + h * k1, t + h)
                        x = x + h / 2 * (k1 + k2)

            timed(f"sample/{name}-100-heun-20", precision, variant, run)


CONVOLUTIONS = [
    [128, 32, 32, 8, 3, 1],
    [128, 3, 128, 32, 3, 1],
    [128, 128, 128, 32, 3, 1],
    [128, 256, 128, 32, 3, 1],
    [128, 256, 128, 32, 1, 1],
    [128, 128, 128, 32, 3, 2],
    [128, 256, 256, 16, 3, 1],
    [128, 512, 256, 16, 3, 1],
    [128, 256, 256, 8, 3, 1],
    [128, 512, 256, 8, 3, 1],
    [128, 256, 256, 4, 3, 1],
    [128, 128, 3, 32, 3, 1],
]


def kernels():
    kinds = [("f32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)]
    for precision, dtype in kinds:
        precise(precision)
        new = lambda *shape: torch.randn(*shape, device=DEVICE, dtype=dtype)
        for m, k, n in [(4096,) * 3, (32768, 256, 768), (16384, 384, 1536), (16384, 1536, 384), (128, 512, 512)]:
            a, b = new(m, k), new(k, n)
            timed(f"matmul/{m}x{k}x{n}", precision, "eager", lambda: a @ b)
        for batch, i, o, side, kernel, stride in CONVOLUTIONS:
            last = dict(memory_format=torch.channels_last)
            x, w = new(batch, i, side, side).to(**last), new(o, i, kernel, kernel).to(**last)
            g = new(batch, o, side // stride, side // stride).to(**last)
            size = f"{batch}x{i}-{o}x{side}x{side}-k{kernel}-s{stride}"
            geometry = ([stride] * 2, [kernel // 2] * 2, [1, 1])
            back = lambda mask: torch.ops.aten.convolution_backward(g, x, w, None, *geometry, False, [0, 0], 1, mask)
            timed(f"conv/{size}", precision, "eager", lambda: F.conv2d(x, w, None, *geometry))
            timed(f"conv-dx/{size}", precision, "eager", lambda: back([True, False, False]))
            timed(f"conv-dw/{size}", precision, "eager", lambda: back([False, True, False]))
        for heads, tokens, depth in [(4, 256, 64), (6, 256, 64)]:
            q = new(128, heads, tokens, depth)
            name = f"attention/128x{heads}x{tokens}x{depth}"
            timed(name, precision, "eager", lambda: F.scaled_dot_product_attention(q, q, q))
    precise("f32")
    new = lambda *shape: torch.randn(*shape, device=DEVICE)
    x, row = new(128, 128, 32, 32), new(128)

    def both(work, *inputs):
        inputs = [x.clone().requires_grad_() for x in inputs]

        def run():
            y = work(*inputs)
            torch.autograd.grad(y, inputs, torch.ones_like(y))

        return run

    normal = lambda x, a, b: F.silu(F.group_norm(x, 32, a, b))
    compiled = torch.compile(normal)
    timed("add/128x128x32x32", "f32", "eager", lambda: x + x)
    timed("silu/128x128x32x32", "f32", "eager", lambda: F.silu(x))
    timed("silu-both/128x128x32x32", "f32", "eager", both(F.silu, x))
    timed("group-norm-silu/128x128x32x32", "f32", "eager", lambda: normal(x, row, row))
    timed("group-norm-silu/128x128x32x32", "f32", "compiled", lambda: compiled(x, row, row))
    timed("group-norm-silu-both/128x128x32x32", "f32", "eager", both(normal, x, row, row))
    timed("group-norm-silu-both/128x128x32x32", "f32", "compiled", both(compiled, x, row, row))
    timed("concat/128x128+128x32x32", "f32", "eager", lambda: torch.cat([x, x], 1))
    small = new(128, 256, 16, 16)
    timed("nearest/128x256x16x16", "f32", "eager", lambda: F.interpolate(small, scale_factor=2))
    rows, weight, bias = new(32768, 256), new(256, 768), new(768)
    for precision in ["f32", "tf32", "bf16"]:
        precise(precision)
        if precision == "bf16":
            rows, weight, bias = rows.bfloat16(), weight.bfloat16(), bias.bfloat16()
        timed("linear-silu/32768x256x768", precision, "eager", lambda: F.silu(rows @ weight + bias))
    values = torch.full((128, 3, 32, 32), 0.5)
    timed("upload/128x3x32x32", "f32", "eager", lambda: values.to(DEVICE))
    tiny = new(32)
    timed("launch/32", "f32", "eager", lambda: tiny + 1)


print(torch.__version__, torch.cuda.get_device_name(), flush=True)
for section in ARGUMENTS.sections:
    {"kernels": kernels, "steps": steps, "sampling": sampling}[section]()
