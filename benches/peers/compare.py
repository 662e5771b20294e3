"""Prints our medians beside PyTorch's, and how many times faster we are.

Arguments: the folder of criterion's results, and the file that peers.py printed.
"""

import json
import pathlib
import statistics
import sys


def main():
    criterion, peers = pathlib.Path(sys.argv[1]), json.loads(pathlib.Path(sys.argv[2]).read_text())
    print(f"{'bench':<36} {'pyroclast':>12} {'pytorch':>12} {'pytorch/pyroclast':>18}")
    for name, seconds in peers.items():
        path = criterion / name.replace("/", "_") / "new" / "estimates.json"
        ours = json.loads(path.read_text())["median"]["point_estimate"] / 1e6
        theirs = statistics.median(seconds) * 1e3
        print(f"{name:<36} {ours:>9.2f} ms {theirs:>9.2f} ms {theirs / ours:>18.2f}")


if __name__ == "__main__":
    main()
