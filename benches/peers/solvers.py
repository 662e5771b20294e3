"""The work of the solver benches in torchdiffeq, torchode and torchsde, with the same shapes, on the CPU.

Prints one JSON object: the name of each bench to the seconds of each of its repetitions, per step for `solve/vdp` and
`solve/gbm`, per solve or gradient for `gradient/`. The number of steps goes to stderr.
"""

import json
import sys
import warnings

# peers.py is imported for its timer alone; leave no __pycache__ beside the sources.
sys.dont_write_bytecode = True
try:
    import torch
    import torch.nn as nn
    import torchdiffeq
    import torchode
    import torchsde
    from peers import timed
except ImportError as error:
    sys.exit(f"error: {error}; run `{sys.executable} -m pip install torch torchdiffeq torchode torchsde`")


def per_step(name, work, steps):
    """Seconds per step of each repetition."""
    print(f"{name}: {steps} steps", file=sys.stderr)
    # The compilers specialize during the first calls, which is more than the one warm-up of `timed` covers.
    for _ in range(3):
        work()
    return [seconds / steps for seconds in timed(work)]


def van_der_pol(t, state):
    # TorchScript takes no closed-over number, so mu = 2 is written out.
    x, v = state.unbind(-1)
    return torch.stack((v, torch.addcmul(-x, 1.0 - x * x, v, value=2.0)), -1)


def torchdiffeq_steps(solve):
    """Attempted steps of a Dopri5 `solve(field)`, from the evaluations of the field."""
    calls = 0

    def counted(t, state):
        nonlocal calls
        calls += 1
        return van_der_pol(t, state)

    solve(counted)
    # One evaluation at the start, one to choose the first step, then six a step, as the last stage is the next first.
    steps, rest = divmod(calls - 2, 6)
    assert rest == 0, calls
    return steps


def torchode_steps(solution):
    """Turns of the loop: it goes on, for the whole batch, until the slowest state is through."""
    assert (solution.status == 0).all()
    return solution.stats["n_steps"].max().item()


@torch.no_grad()
def vdp():
    """A cycle of van der Pol's oscillator from 256 states with 200 outputs, the protocol of torchode's paper.

    torchdiffeq steps all states together, torchode each with its own step size; each is held against our way of the same kind.
    """
    joint_name, name = "solve/vdp-256-dopri5/torchdiffeq", "solve/vdp-256-dopri5-per-sample/"
    tolerances = {"rtol": 1e-5, "atol": 1e-5}
    y0 = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    t = torch.linspace(0, 7.6, 200)
    out = {}

    def joint(field=van_der_pol):
        return torchdiffeq.odeint(field, y0, t, method="dopri5", **tolerances)

    out[joint_name] = per_step(joint_name, joint, torchdiffeq_steps(joint))

    problem = torchode.InitialValueProblem(y0=y0, t_eval=t.repeat(256, 1))
    # Counting evaluations costs 1-2% when the field is this cheap, say its docs; n_steps is counted all the same.
    term = torchode.ODETerm(van_der_pol, with_stats=False)
    controller = torchode.IntegralController(term=term, **tolerances)
    solver = torchode.AutoDiffAdjoint(torchode.Dopri5(term=term), controller)
    with warnings.catch_warnings():
        # PyTorch calls TorchScript deprecated, but it works.
        warnings.simplefilter("ignore", FutureWarning)
        scripted = torch.jit.script(solver)
    # The README of torchode 1.0.1 calls torch.compile(solver).solve, but that is the plain method, uncompiled.
    compiled = torch.compile(solver.solve)
    variants = {"torchode": solver.solve, "torchode-jit": scripted.solve, "torchode-compile": compiled}
    for variant, solve in variants.items():
        try:
            steps = torchode_steps(solve(problem))
        except Exception as error:
            if variant != "torchode-compile":
                raise
            # It needs a C++ compiler, which not every machine has.
            print(f"{name}{variant}: left out, {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        out[name + variant] = per_step(name + variant, lambda: solve(problem), steps)
    return out


class Gbm:
    """dX = 0.5 X dt + X dW, with diagonal noise: a little faster here than scalar, and the same at one dimension."""

    sde_type, noise_type = "ito", "diagonal"

    def __init__(self):
        self.calls = 0

    def f(self, t, x):
        self.calls += 1
        return 0.5 * x

    def g(self, t, x):
        return x


@torch.no_grad()
def gbm():
    """Euler-Maruyama, 1000 steps, output at the two ends."""
    name, sde, x0 = "solve/gbm-1024-euler-maruyama/torchsde", Gbm(), torch.ones(1024, 1)
    # Times in float32 add up to just below 1 and cost a step more.
    ts = torch.tensor([0.0, 1.0], dtype=torch.float64)

    def work():
        # Told the step, as its docs advise for fixed steps, this takes a quarter of the time it takes left to guess.
        bm = torchsde.BrownianInterval(t0=0.0, t1=1.0, size=x0.shape, dtype=x0.dtype, dt=1e-3)
        return torchsde.sdeint(sde, x0, ts, bm=bm, method="euler", dt=1e-3)

    work()
    # One call of the drift is to learn its shape.
    return {name: per_step(name, work, sde.calls - 1)}


class Field(nn.Module):
    """2-64-64-2, tanh, without the time."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
        self.calls = 0

    def forward(self, t, x):
        self.calls += 1
        return self.net(x)


def gradient():
    """RK4 with 100 steps: the solve, and the gradient of the mean square of its end in the weights."""
    name, peer, field, x0 = "gradient/mlp-rk4", "/torchdiffeq", Field(), torch.randn(256, 2)
    t = torch.tensor([0.0, 1.0])
    fixed = {"method": "rk4", "options": {"step_size": 0.01}}
    weights = list(field.parameters())

    @torch.no_grad()
    def solve():
        return torchdiffeq.odeint(field, x0, t, **fixed)[-1]

    def tape():
        loss = torchdiffeq.odeint(field, x0, t, **fixed)[-1].square().mean()
        return torch.autograd.grad(loss, weights)

    solve()
    assert field.calls == 400, field.calls
    return {f"{name}-solve{peer}": timed(solve), f"{name}-tape{peer}": timed(tape)}


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    torch.manual_seed(0)
    print(json.dumps(vdp() | gbm() | gradient()))


if __name__ == "__main__":
    main()
