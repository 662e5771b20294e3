"""Prints our medians beside those of others, and how many times faster we are.

Arguments: the folder of criterion's results, and files of JSON objects that map `bench` or `bench/peer` to seconds. Where a
bench states a throughput, the seconds are those of one of its elements: a step.
"""

import json
import pathlib
import statistics
import sys


def ours(criterion, name):
    """Our median in seconds, of one element; none if the bench has not been run."""
    group, _, rest = name.partition("/")
    folder = criterion / group / rest / "new"
    if not folder.exists():
        folder = criterion / name.replace("/", "_") / "new"
    if not folder.exists():
        return None
    median = json.loads((folder / "estimates.json").read_text())["median"]["point_estimate"] / 1e9
    throughput = json.loads((folder / "benchmark.json").read_text())["throughput"]
    return median / throughput["Elements"] if throughput else median


def main():
    criterion = pathlib.Path(sys.argv[1])
    print(f"{'bench':<34} {'pyroclast':>11}   {'peer':<16} {'theirs':>11} {'theirs/ours':>12}")
    for path in sys.argv[2:]:
        for key, seconds in json.loads(pathlib.Path(path).read_text()).items():
            parts = key.split("/")
            name, peer = "/".join(parts[:2]), parts[2] if len(parts) > 2 else "torch"
            here, there = ours(criterion, name), statistics.median(seconds)
            if here is None:
                continue
            print(f"{name:<34} {here * 1e3:>8.3f} ms   {peer:<16} {there * 1e3:>8.3f} ms {there / here:>12.2f}")


if __name__ == "__main__":
    main()
