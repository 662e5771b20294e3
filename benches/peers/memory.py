"""The most memory that training the 32×32 UNet takes at once, here and in PyTorch. Each runs in a process of its own.

    python-with-torch benches/peers/memory.py
"""

import os
import subprocess
import sys

BENCH = ["cargo", "bench", "--quiet", "--bench", "training", "--"]


def peak(command):
    """MiB of the largest process among a command and its children."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss / 1024


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    # Built first: a compiler takes more than either.
    subprocess.run(BENCH[:-1] + ["--no-run"], check=True)
    ours = peak(BENCH + ["--profile-time", "5", "train/image-unet"])
    step = "import peers; peers.training(peers.UNet(64, 0, 3), (16, 3, 32, 32))"
    theirs = peak([sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r}); {step}"])
    alone = peak([sys.executable, "-c", "import torch"])
    print(f"Pyroclast {ours:.0f} MiB, PyTorch {theirs:.0f} MiB (of which {alone:.0f} to import it), ratio {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
