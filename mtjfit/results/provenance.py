"""Where a result comes from: everything needed to make it again."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime

from mtjfit.infer.fingerprint import versions
from mtjfit.study import Study

__all__ = ["provenance"]


def provenance(
    study: Study, seed: int, command: str = "", begun_with: Mapping[str, str] | None = None
) -> Mapping[str, object]:
    """Versions, platform, seed and hashes of a run.

    Parameters
    ----------
    study : Study
    seed : int
        The seed that was used.
    command : str
        The command line, or empty.
    begun_with : mapping of str to str, optional
        Versions that a resumed run was begun with; told where they are others.

    Returns
    -------
    mapping
        Of strings, numbers and mappings of strings, ready for JSON.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> provenance(study, seed=1)["data_sha256"]["data.csv"] == dataset("thickness-series").meta["sha256"]
    True
    """
    now = versions()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "seed": int(seed),
        "versions": now,
        **({"begun_with": dict(begun_with)} if begun_with not in (None, now) else {}),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "study_sha256": hashlib.sha256(study.text.encode()).hexdigest() if study.text else None,
        "data_sha256": dict(study.files),
    }
