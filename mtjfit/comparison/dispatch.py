"""`compare`: mechanisms of a study, devices of a result, or several data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from mtjfit.comparison.devices.comparison import DeviceComparison, compare_devices
from mtjfit.comparison.mechanisms.comparison import MechanismComparison, compare_mechanisms
from mtjfit.comparison.studies.tension import StudyComparison, compare_studies
from mtjfit.infer import FitResult, Posterior
from mtjfit.study import Study


@overload
def compare(what: Study, *, seed: int | None = None, progress: bool = True) -> MechanismComparison: ...
@overload
def compare(what: Posterior | FitResult, *, seed: int | None = None, progress: bool = True) -> DeviceComparison: ...
@overload
def compare(
    what: Sequence[Study] | Mapping[str, Study], *, seed: int | None = None, progress: bool = True
) -> StudyComparison: ...
def compare(
    what: Study | Posterior | FitResult | Sequence[Study] | Mapping[str, Study],
    *,
    seed: int | None = None,
    progress: bool = True,
) -> MechanismComparison | DeviceComparison | StudyComparison:
    """Compare mechanisms, devices, or data sets, by what is given.

    `mtjfit.comparison` has each of these comparisons by its own name, with more options.

    Parameters
    ----------
    what : Study, or Posterior or FitResult, or sequence of Study or mapping of str to Study
        One study: its mechanisms. A fit or posterior: its devices, each alone or with the common lengths. Several
        studies: the common lengths from each, and whether they agree; a sequence is labelled by their names.
    seed : int, optional
        Default: that of the (first) study. Devices need none.

    Raises
    ------
    TypeError
        Anything else is given.
    ConfigError
        Studies that cannot be put on one footing.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import load_study
    >>> compared = compare(fit(load_study(dataset("thickness-series").study_file)))
    >>> len(compared.table["device"].unique())
    5
    """
    if isinstance(what, Study):
        return compare_mechanisms(what, seed, progress=progress)
    if isinstance(what, Posterior | FitResult):
        return compare_devices(what)
    studies = dict(what) if isinstance(what, Mapping) else {}
    if not studies and isinstance(what, Sequence):
        given: Sequence[object] = what
        studies = {study.name: study for study in given if isinstance(study, Study)}
        if len(studies) != len(given):
            raise TypeError(
                "a sequence of studies with different names is needed; give a mapping to name them yourself"
            )
    if not studies or not all(isinstance(study, Study) for study in studies.values()):
        raise TypeError(f"compare a Study, a Posterior, a FitResult or several studies, not {type(what).__name__}")
    first = next(iter(studies.values()))
    return compare_studies(studies, seed=first.sampling.seed if seed is None else seed, progress=progress)
