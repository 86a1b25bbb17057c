"""Whether anything of a study is left to fit."""

from __future__ import annotations

from mtjfit.errors import MtjfitError
from mtjfit.study.study import Study

__all__ = ["NOTHING_FREE", "nothing_free", "refuse_nothing_free"]

NOTHING_FREE = "every parameter of the study is fixed"
_TODO = "give at least one a prior in [parameters]; `mtjfit check` tests the fixed model against the data"


def nothing_free(study: Study) -> bool:
    """Whether every parameter is fixed, so that there is χ² and nothing else."""
    return all(parameter.is_fixed for parameter in study.parameters.values())


def refuse_nothing_free(study: Study, missing: str) -> None:
    """Say in one sentence what cannot be done, before anything is written.

    Parameters
    ----------
    study : Study
    missing : str
        What there is not, such as "there is nothing to sample".

    Raises
    ------
    MtjfitError
        Every parameter is fixed.
    """
    if nothing_free(study):
        raise MtjfitError(f"{NOTHING_FREE}: {missing}; {_TODO}")
