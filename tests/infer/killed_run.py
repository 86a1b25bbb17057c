"""A program that samples a small study into a folder, anew as often as it is killed.

``python killed_run.py STUDY.toml FOLDER``: each line of its input begins a process, whose number it answers, and says
``ended`` once that process has. The processes are forked, so that only the first pays for what it imports.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import mtjfit

SETTINGS = (
    ("mtjfit.infer.ensembles.ensemble", "_BLOCK", 20),
    ("mtjfit.infer.ensembles.ensemble", "_FIRST_LOOK", 40),
    ("mtjfit.infer.ensembles.run", "_FIRST_REFIT", 60),
    ("mtjfit.infer.ensembles.ensemble", "_COMPONENTS", 4),
    ("mtjfit.infer.evidence.exploration", "_PARTICLES", 1),
    ("mtjfit.infer.evidence.exploration", "_FEWEST", 400),
)
"""Short blocks and an early refit, so that there is much to be killed in; and nothing that takes long."""


def sampled(study: mtjfit.Study, folder: Path | None, setting: Callable[[object, str, int], None]) -> mtjfit.Posterior:
    """The posterior after all steps that the study allows, saved in a folder."""
    for module, name, value in SETTINGS:
        setting(import_module(module), name, value)
    return mtjfit.sample(study, journal=folder, progress=False)


if __name__ == "__main__":
    study_file, run = map(Path, sys.argv[1:])
    study = mtjfit.load_study(study_file)
    import_module("mtjfit.infer")
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            sampled(study, run, setattr)
            os._exit(0)
        print(pid, flush=True)  # noqa: T201
        os.waitpid(pid, 0)
        print("ended", flush=True)  # noqa: T201
