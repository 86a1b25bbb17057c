"""Keep what is derived from a study with the study: it is immutable, so nothing needs to be built twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from mtjfit.study import Study

__all__ = ["once_per_study"]

Built = TypeVar("Built")
_ATTRIBUTE = "_derived"  # no field: neither copied by `replace` nor pickled


def once_per_study(build: Callable[[Study], Built]) -> Callable[[Study], Built]:
    """Decorate a function of a study so that each study is asked only once.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> @once_per_study
    ... def shortest(study):
    ...     print("looking")
    ...     return min(study.thicknesses)
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> float(shortest(study) + shortest(study))
    looking
    1.6
    """

    @wraps(build)
    def built(study: Study) -> Built:
        derived: dict[object, Built] = study.__dict__.setdefault(_ATTRIBUTE, {})
        if build not in derived:
            derived[build] = build(study)
        return derived[build]

    return built
