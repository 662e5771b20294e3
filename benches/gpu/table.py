"""The figures of benches/gpu as Markdown: parity, then ours beside PyTorch's best of the same precision."""

import json
import sys

rows = [json.loads(line) for line in open(sys.argv[1]) if line.strip()]
parity = [row for row in rows if "difference" in row]
if parity:
    print("| result | precision | variant | relative difference from flex |\n|---|---|---|---|")
    for row in parity:
        print(f"| {row['name']} | {row['precision']} | {row['variant']} | {row['difference']:.1e} |")
    print()

peers = {"eager", "compiled"}
ours, theirs = {}, {}
for row in rows:
    if "median" in row:
        side = theirs if row["variant"] in peers else ours
        side.setdefault(row["name"], []).append(row)


def milliseconds(row):
    return f"{1e3 * row['median']:.3g} ({row['precision']}, {row['variant']})" if row else ""


print("| work | ours, ms | PyTorch's best at that precision, ms | PyTorch / ours |\n|---|---|---|---|")
for name, mine in ours.items():
    for row in mine:
        same = [r for r in theirs.get(name, []) if r["precision"] == row["precision"]]
        best = min(same, key=lambda r: r["median"], default=None)
        ratio = f"{best['median'] / row['median']:.2f}" if best else ""
        print(f"| {name} | {milliseconds(row)} | {milliseconds(best)} | {ratio} |")
