"""Whole networks here and in PyTorch, by turns in one run: neighbours of a shared machine slow both down alike.

    python-with-torch benches/peers/alternate.py [--threads 2] [--rounds 5] [--variants eager compiled] [NAME ...]

That Python needs torchcfm too. Prints the medians of the seconds and of the processor's seconds (of all threads), and the ratios PyTorch / Pyroclast.
Where the number of operations is known, prints GFLOP/s too.
"""

import argparse
import glob
import json
import math
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NETWORKS = [
    "train/torchcfm-cifar10-batch-16",
    "evaluate/torchcfm-cifar10-batch-16",
    "train/dit-s-2-batch-32",
    "evaluate/dit-s-2-batch-32",
    "sample/one-point",
    "sample/one-digit",
]
PARTS = [
    *[f"train-conv/16x{c}x{o}x{n}" for c, o, n in [(128, 128, 32), (256, 256, 16), (512, 256, 8), (256, 256, 4)]],
    *[f"{kind}/{of}" for of in ["4096x512x512", "2048x384x1536"] for kind in ["product", "linear", "train-linear"]],
    "train-linear-silu/4096x512x512",
    *[f"{kind}/16x4x{n}x{d}" for n, d in [(64, 32), (256, 64), (1024, 64)] for kind in ["attention", "train-attention"]],
]
# At least so long is a measurement, of as many repetitions as it takes.
SECONDS = 0.3


def operations(name):
    """Floating-point operations of products and convolutions, without any trick; a backward has two for each."""
    kind, of = name.split("/")
    times = 2 * (3 if kind.startswith("train-") else 1)
    if "linear" in kind or "product" in kind:
        return times * math.prod(map(int, of.split("x")))
    if "conv" in kind:
        batch, channels, outputs, side = map(int, of.split("x"))
        return times * batch * channels * outputs * 9 * side**2
    return None


class Side:
    """A process that does the work."""

    def __init__(self, label, command, environment):
        self.label = label
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | environment)
        self.count, self.samples = 1, []

    def processor(self):
        """Nanoseconds that its threads have run."""
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            try:
                total += int(open(path).read().split()[0])
            except OSError:
                pass
        return total

    def run(self, name):
        before = self.processor()
        print(name, self.count, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.label} stopped in {name}")
        return float(answer) / self.count, (self.processor() - before) / 1e9 / self.count

    def warm(self, name):
        self.count, self.samples = 1, []
        self.run(name)
        seconds, _ = self.run(name)
        self.count = max(1, round(SECONDS / seconds))


def built():
    """The binary of benches/networks.rs."""
    command = ["cargo", "bench", "--quiet", "--bench", "networks", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [p for line in lines if (p := json.loads(line).get("executable"))][-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=NETWORKS + PARTS)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--variants", nargs="*", default=["eager"])
    parser.add_argument("--binary", help="the binary of benches/networks.rs; built if there is none")
    arguments = parser.parse_args()
    threads = str(arguments.threads)
    sides = [Side("pyroclast", [arguments.binary or built(), "by-turns"], {"RAYON_NUM_THREADS": threads})]
    for variant in arguments.variants:
        command = [sys.executable, os.path.join(HERE, "networks.py"), threads, variant]
        sides.append(Side(variant, command, {"OMP_NUM_THREADS": threads}))
    names = [name for name in NETWORKS + PARTS if any(wanted in name for wanted in arguments.names)]
    print(f"{'work':<36} {'by':<24} {'ms':>9} {'CPU ms':>9} {'ratio':>6} {'CPU':>6} {'GFLOP/s':>8}")
    for name in names:
        for side in sides:
            side.warm(name)
        for _ in range(arguments.rounds):
            for side in sides:
                side.samples.append(side.run(name))
        ours = None
        for side in sides:
            wall, cpu = (statistics.median(column) for column in zip(*side.samples))
            ours = ours or (wall, cpu)
            rate = f"{operations(name) / wall / 1e9:8.1f}" if operations(name) else ""
            print(
                f"{name:<36} {side.label:<24} {wall * 1e3:9.3f} {cpu * 1e3:9.3f} "
                f"{wall / ours[0]:6.2f} {cpu / ours[1]:6.2f} {rate}",
                flush=True,
            )


if __name__ == "__main__":
    main()
