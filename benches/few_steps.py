"""The tables of docs/guides/few-steps.md: W2 of models of few steps beside their teacher.

    python3 benches/few_steps.py [--pyroclast COMMAND] [--steps N] [--out DIR] [PRESET]

Trains a teacher and a student by each method, and prints their W2 by 1, 2 and 4 steps as Markdown.
Run it again to go on after an interruption. For a preset of pictures, whose students learn from
scratch, it prints the Fréchet distance.
"""

import argparse
import json
import os
import shlex
import subprocess

# What a student by a method knows: every number of steps, the jump to the data alone, or that jump
# from new noise too, since its pairs are independent.
ANY, JUMP, NOISED, EULER = "any", "jump", "noised", "euler"
METHODS = {
    "eulerian": ANY,
    "lagrangian": ANY,
    "semigroup": ANY,
    "shortcut": ANY,
    "mean-flow": ANY,
    "continuous-consistency": JUMP,
    "consistency-distillation": JUMP,
    "distillation": ANY,
    "reflow": EULER,
}
# Variants of the preset that learn without a teacher.
VARIANTS = {"shortcut": ANY, "mean-flow": ANY, "consistency": NOISED}
# The standard deviation of tasks of which consistency on EDM's noise is measured too.
SPREADS = {"moons": 1.4}
PICTURES = {
    "digits": {"digits-shortcut": ANY, "digits-mean-flow": ANY, "digits-consistency": NOISED}
}

raw = argparse.RawDescriptionHelpFormatter
parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
for name, default, about in [
    ("--pyroclast", "pyroclast", "the command, such as target/release/pyroclast"),
    ("--steps", None, "steps of each training; the preset's if there is none"),
    ("--out", None, "the folder of the runs; runs/few-steps-PRESET if there is none"),
]:
    parser.add_argument(name, default=default, help=about)
parser.add_argument("preset", nargs="?", default="moons", help="such as moons, 8gaussians, digits")
arguments = parser.parse_args()
folder = arguments.out or f"runs/few-steps-{arguments.preset}"


def command(*words):
    words = [*shlex.split(arguments.pyroclast), *words]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def trained(name, preset, *options):
    """The folder of a run, which is trained, or resumed if it is there."""
    run = os.path.join(folder, name)
    steps = ["--steps", arguments.steps] if arguments.steps else []
    resumed = ["--resume"] if os.path.exists(run) else []
    command("train", preset, "--out", run, *steps, *options, *resumed)
    return run


def score(run, method, steps, key, *options):
    plan = ["--method", method, "--steps", str(steps)]
    found = json.loads(command("evaluate", run, "--json", "--likelihoods", "0", *plan, *options))
    spread = found[key].get("std")
    return f"{found[key]['mean']:.3f}" + ("" if spread is None else f" ± {spread:.3f}"), found


def method_of(kind, steps):
    if kind == EULER:
        return "euler"
    return "renoise" if kind == NOISED and steps > 1 else "flow-map"


def row(name, cells):
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def points():
    options = ["-n", "2048", "--seeds", "3"]

    def student(name, run, kind):
        steps = [1] if kind == JUMP else [1, 2, 4]
        plans = [(method_of(kind, count), count) for count in steps]
        cells = [score(run, *plan, "w2", *options)[0] for plan in plans]
        row(name, cells + [""] * (3 - len(cells)))

    teacher = trained("teacher", arguments.preset)
    reached, found = score(teacher, "euler", 100, "w2", *options)
    floor = found["w2_floor"]["mean"]
    print(f"The teacher has {reached} in 100 steps of Euler's method,")
    print(f"a perfect sampler {floor:.3f}.\n")
    row("`few-step.method`, with the teacher", ["1 step", "2 steps", "4 steps"])
    print("|---|---|---|---|")
    student("(the teacher, Euler's method)", teacher, EULER)
    for name, kind in METHODS.items():
        taught = ["--set", f"few-step.method={name}", "--teacher", teacher]
        run = trained(name, arguments.preset, "--set", "path.coupling=given", *taught)
        student(f"`{name}`", run, kind)
    print()
    row("from scratch", ["1 step", "2 steps", "4 steps"])
    print("|---|---|---|---|")
    name = "continuous-consistency"
    run = trained(f"scratch-{name}", arguments.preset, "--set", f"few-step.method={name}")
    student(f"`{name}`", run, METHODS[name])
    for name, kind in VARIANTS.items():
        student(f"`{name}`", trained(f"scratch-{name}", f"{arguments.preset}-{name}"), kind)
    if spread := SPREADS.get(arguments.preset):
        clock = [
            "path.schedule.edm.sigma-max=10",
            "path.times.distribution=log-normal-sigma",
            f"objective.prediction.consistency.sigma-data={spread}",
            f"objective.preconditioning.edm.sigma-data={spread}",
        ]
        clock = [word for value in clock for word in ("--set", value)]
        run = trained("scratch-clock", f"{arguments.preset}-consistency", *clock)
        student("`consistency`, on EDM's noise", run, NOISED)


def pictures(presets):
    options = ["-n", "500", "--bounds", "0", "--seeds", "3"]
    heads = ["1 step", "2 steps", "4 steps", "`heun`, 20 steps"]
    row("Fréchet distance of features, 500 samples", heads)
    print("|---" * (len(heads) + 1) + "|")
    floor = None
    for preset, kind in presets.items():
        run = trained(preset, preset)
        plans = [(method_of(kind, steps), steps) for steps in [1, 2, 4]]
        plans += [("heun", 20)]
        found = [score(run, *plan, "frechet", *options) for plan in plans]
        row(f"`{preset}`", [cell for cell, _ in found])
        floor = found[0][1]["frechet_floor"]["mean"]
    print(f"\nA perfect sampler has {floor:.3f}.")


if arguments.preset in PICTURES:
    pictures(PICTURES[arguments.preset])
else:
    points()
