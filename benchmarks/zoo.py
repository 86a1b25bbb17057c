"""mtjfit on designs drawn at random, against an independent reference.

    python benchmarks/zoo.py --designs 20 --first-seed 0 [--kind plain] [--jobs 2] [--out zoo.csv]

For every design: processor seconds of `mtjfit.sample`, whether it converged, the largest |F(q) - p| over the 5, 50 and
95 % quantiles q of every parameter, where F is the reference's distribution function, and ln Z minus that of the
reference. References are kept in a folder, so that later runs time mtjfit alone.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import argparse
import csv
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "zoo"))

from designs import design, kinds
from reference import cached_reference

import mtjfit

LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Row:
    """One design.

    Attributes
    ----------
    reason : str
        First reason of a verdict that says no, or the exception.
    worst, where : float and str
        Largest |F(q) - p|, and of which parameter and quantile.
    comparisons, beyond : int
        Quantiles compared, and how many lie beyond three joint errors.
    log_z, log_z_error : float
        mtjfit minus reference, and the joint error.
    doubtful : bool
        The reference has few draws, or its two evidences differ.
    """

    kind: str
    seed: int
    seconds: float
    converged: bool
    reason: str
    worst: float
    where: str
    comparisons: int
    beyond: int
    log_z: float
    log_z_error: float
    doubtful: bool
    reference_seconds: float

    def line(self) -> str:
        said = "converged" if self.converged else f"NO: {self.reason[:90]}"
        mark = "  (reference doubtful)" if self.doubtful else ""
        return (
            f"{self.kind:18s} {self.seed:6d} {self.seconds:7.1f} s  |F-p| {self.worst:.3f} {self.where:18s}"
            f" {self.beyond:2d}/{self.comparisons:2d} beyond 3"
            f"  ln Z {self.log_z:+.3f} ± {self.log_z_error:.3f}  {said}{mark}"
        )


def compared(posterior, reference) -> list[tuple[float, float, str]]:
    """|F(q) - p|, its joint error, and a name, for each quantile of each parameter that both know."""
    table = posterior.summary()
    found = []
    for name in (name for name in table.index if name in reference.table):
        for p, column in zip(LEVELS, ("q05", "q50", "q95"), strict=True):
            q, ess = float(table.loc[name, column]), max(float(table.loc[name, "ess"]), 1.0)
            error = np.hypot(np.sqrt(p * (1 - p) / ess), float(reference.cdf_error(name, q)))
            found.append((abs(float(reference.cdf(name, q)) - p), float(error), f"{name} {column}"))
    return found


def measured(seed: int, kind: str | None, folder: Path, max_steps: int) -> Row:
    """Everything about one design."""
    one = design(seed, kind)
    study = one.study.replace(sampling=replace(one.study.sampling, max_steps=max_steps))
    reference = cached_reference(one, folder)
    nothing = (float("nan"), "", 0, 0, float("nan"), float("nan"), not reference.agrees, reference.seconds)
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            posterior = mtjfit.sample(study, seed=seed + 1, progress=False)
    except Exception as error:  # whatever it is, it is a finding, and the other designs go on
        return Row(one.kind, seed, time.process_time() - start, False, f"{type(error).__name__}: {error}", *nothing)
    seconds = time.process_time() - start
    differences = compared(posterior, reference)
    worst = max(differences, default=(float("nan"), 0.0, ""))
    evidence = posterior.evidence
    log_z, error = (float("nan"), float("nan")) if evidence is None else (evidence.value, evidence.error)
    verdict = posterior.verdict
    return Row(
        one.kind, seed, seconds, verdict.converged, "" if verdict.converged else str(verdict.reasons[0]), worst[0],
        worst[2], len(differences), sum(d > 3 * e for d, e, _ in differences), log_z - reference.log_z,
        float(np.hypot(error, reference.error)), not reference.agrees, reference.seconds,
    )  # fmt: skip


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """One row for each design, in the order in which they are done."""
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.designs)
    rest = arguments.kind, arguments.reference_cache, arguments.max_steps
    if arguments.jobs == 1:
        yield from (measured(seed, *rest) for seed in seeds)
        return
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(measured, seed, *rest) for seed in seeds]
        for done in as_completed(waiting):
            yield done.result()


def summary(found: list[Row]) -> str:
    """By kind, then overall."""
    lines = [f"{'kind':18s}   n  converged  median s   max s  within 0.02  beyond 3   worst |F-p|  worst |ln Z|"]
    for kind in (*(kind for kind in kinds() if any(row.kind == kind for row in found)), "all"):
        some = [row for row in found if kind in (row.kind, "all")]
        good = [row for row in some if row.converged]
        seconds = [row.seconds for row in some]
        counted = f"{sum(row.beyond for row in good):4d}/{sum(row.comparisons for row in good):<5d}"
        worst = max((row.worst for row in good), default=float("nan"))
        log_z = max((abs(row.log_z) for row in good), default=float("nan"))
        lines.append(
            f"{kind:18s} {len(some):3d}  {len(good):9d} {np.median(seconds):9.1f} {max(seconds):7.1f}"
            f"  {sum(row.worst <= 0.02 for row in good):5d}/{len(good):<5d} {counted}    {worst:9.3f}   {log_z:9.3f}"
        )
    good, seconds = [row for row in found if row.converged], [row.seconds for row in found]
    within = np.mean([row.worst <= 0.02 for row in good]) if good else float("nan")
    lines += [
        "",
        f"{len(good)} of {len(found)} converged; {100 * within:.0f} % of them within 0.02 everywhere; "
        f"{sum(row.beyond for row in good)} of {sum(row.comparisons for row in good)} quantiles beyond 3 errors",
        f"worst ln Z difference {max((abs(row.log_z) for row in good), default=float('nan')):.3f}; "
        f"{sum(row.doubtful for row in found)} references doubtful",
        f"processor seconds: median {np.median(seconds):.1f}, 98 % {np.quantile(seconds, 0.98):.1f}",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--designs", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--kind", choices=kinds())
    parser.add_argument("--reference-cache", type=Path, default=Path(tempfile.gettempdir()) / "mtjfit-zoo")
    parser.add_argument("--out", type=Path, help="CSV with a row for each design")
    parser.add_argument("--max-steps", type=int, default=50_000, help="of the sampler; fewer for a quick look")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    found = []
    for row in rows(arguments):
        found.append(row)
        print(row.line(), flush=True)
    if arguments.out is not None:
        with arguments.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [each.name for each in fields(Row)])
            writer.writeheader()
            writer.writerows(asdict(row) for row in sorted(found, key=lambda row: (row.kind, row.seed)))
    print()
    print(summary(found))


if __name__ == "__main__":
    main()
