"""The most memory that training takes at once, here and in PyTorch: the 32×32 UNet of 64 channels, torchcfm's CIFAR-10 UNet, and DiT-S/2.
The last two also with their blocks computed twice (`training.checkpoint`), beside a PyTorch that keeps them. Each runs in a process of its own.

    python-with-torchcfm benches/peers/memory.py
"""

import os
import subprocess
import sys

import alternate

BENCH = ["cargo", "bench", "--quiet", "--bench", "training", "--"]


def peak(command, lines=""):
    """MiB of the largest process among a command and its children."""
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    child = subprocess.Popen(command, stdin=pipe, stdout=nowhere, stderr=nowhere)
    child.stdin.write(lines.encode())
    child.stdin.close()
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss / 1024


def main():
    # Built first: a compiler takes more than either.
    subprocess.run(BENCH[:-1] + ["--no-run"], check=True)
    binary = alternate.built()
    alone = peak([sys.executable, "-c", "import torch"])
    print(f"To import PyTorch: {alone:.0f} MiB")

    def compare(name, ours, theirs):
        print(f"{name}: Pyroclast {ours:.0f} MiB, PyTorch {theirs:.0f} MiB, ratio {theirs / ours:.2f}", flush=True)

    step = "import peers; peers.training(peers.UNet(64, 0, 3), (16, 3, 32, 32))"
    theirs = peak([sys.executable, "-c", f"import sys; sys.path.insert(0, {alternate.HERE!r}); {step}"])
    compare("train/image-unet", peak(BENCH + ["--profile-time", "5", "train/image-unet"]), theirs)
    for network in ["torchcfm-cifar10-batch-16", "dit-s-2-batch-32"]:
        command = [sys.executable, os.path.join(alternate.HERE, "networks.py"), str(os.cpu_count()), "eager"]
        theirs = peak(command, f"train/{network} 2\n")
        for kind in ["train", "checkpoint"]:
            compare(f"{kind}/{network}", peak([binary, "by-turns"], f"{kind}/{network} 2\n"), theirs)


if __name__ == "__main__":
    main()
