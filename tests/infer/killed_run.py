"""A program that samples a small study into a folder, anew as often as it is killed.

``python killed_run.py STUDY.toml FOLDER``: each line of its input begins a process, whose number it answers, and says
``ended`` once that process has. The processes are forked, so that only the first pays for what it imports.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mtjfit
from mtjfit.infer import Effort, Pace

EFFORT = Effort(particles=1, fewest=400)
PACE = Pace(block=20, first_look=40, first_refit=60, components=4, effort=EFFORT)
"""Short blocks and an early refit, so that there is much to be killed in; and nothing that takes long."""


def sampled(study: mtjfit.Study, folder: Path | None) -> mtjfit.Posterior:
    """The posterior after all steps that the study allows, saved in a folder."""
    return mtjfit.sample(study, journal=folder, progress=False, pace=PACE)


if __name__ == "__main__":
    study_file, folder = map(Path, sys.argv[1:])
    study = mtjfit.load_study(study_file)
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            sampled(study, folder)
            os._exit(0)
        print(pid, flush=True)  # noqa: T201
        os.waitpid(pid, 0)
        print("ended", flush=True)  # noqa: T201
