"""Ranks of truths from the prior in the posteriors of whole wafers, kept by wafer so that several processes share them.

    PYTHONPATH=.:tests/zoo python tests/wafer/stack_calibration.py FOLDER --seeds 0 50 [--case as-declared]

Wafers that FOLDER holds are not sampled again. `MTJFIT_STACK_CALIBRATION` names it for `test_stack_calibration.py`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from stack_designs import model_of, on_a_disc
from stack_reference import SPREADS, Stack, simulated

from mtjfit.study import Sampling
from mtjfit.wafer.stack.sample import StackPosterior, sample_stack

N_DRAWS, DEVICES = 99, 100
SMOOTH = (("thickness", "tilt_x"), ("thickness", "bowl"), ("a1", "bowl"))
CASES = {
    "as-declared": {},
    "errors-of-0.7": {"noise_said": 0.7},
    "no-scatter": {"without": tuple(SPREADS)},
}
"""Arguments of `model_of`: the model that the wafers were drawn from, and two that are wrong."""


@dataclass(frozen=True)
class Ranked:
    """Of one wafer: ranks of each truth and of its likelihood among `N_DRAWS` draws, and how the run went."""

    converged: bool
    ranks: dict[str, int]
    seconds: float  # processor time
    says: str


def wafer(seed: int, n: int = DEVICES) -> Stack:
    """A wafer with truths from the prior: nine bias points, three nominal thicknesses, errors of 0.01."""
    rng = np.random.default_rng([seed, 20])
    x, y = on_a_disc(rng, n)
    nominal = np.resize([1.0, 1.6, 2.4], n)
    return simulated(Stack(nominal, x, y, np.linspace(-0.5, 0.5, 9), 0.01, tuple(SPREADS), SMOOTH), rng)


def ranks(stack: Stack, found: StackPosterior) -> dict[str, int]:
    """Draws below each truth, and draws of which the likelihood is below that of the truth, of `N_DRAWS`."""
    model = found.model
    z = found.z.reshape(-1, model.size)
    some = z[np.linspace(0, len(z) - 1, N_DRAWS).astype(int)]
    truth = dict(zip(stack.priors, stack.truth, strict=True))
    z_true = np.array([[truth[name] for name in model.names]])
    out = dict(zip(model.names, np.sum(some < z_true, axis=0).tolist(), strict=True))
    below = model.log_likelihood(some) < model.log_likelihood(z_true)
    return out | {"log_likelihood": int(below.sum())}


def ranked(seed: int, case: str, n: int = DEVICES, sample: Callable[..., StackPosterior] = sample_stack) -> Ranked:
    """Draw a wafer and sample its posterior."""
    begin, stack = time.process_time(), wafer(seed, n)
    found = sample(model_of(stack, **CASES[case]), Sampling(seed=seed + 1, target_ess=1000), progress=False)
    says = "; ".join(found.verdict.reasons)
    return Ranked(found.verdict.converged, ranks(stack, found), time.process_time() - begin, says)


def kept(folder: Path, seed: int, case: str) -> Ranked:
    """The ranks of a wafer, from the folder if it holds them."""
    file = folder / f"{case}-{DEVICES}-{seed}.json"
    if file.exists():
        return Ranked(**json.loads(file.read_text(encoding="utf-8")))
    found = ranked(seed, case)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{time.time_ns()}.tmp")
    unfinished.write_text(json.dumps(vars(found)), encoding="utf-8")
    unfinished.replace(file)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs=2, default=[0, 100], metavar=("FIRST", "END"))
    parser.add_argument("--case", choices=[*CASES], default="as-declared")
    asked = parser.parse_args()
    for seed in range(*asked.seeds):
        found = kept(asked.folder, seed, asked.case)
        click.echo(f"{asked.case} {seed}: {found.seconds:.1f} s, {found.says or 'converged'}")


if __name__ == "__main__":
    main()
