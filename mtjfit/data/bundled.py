"""Data sets that ship with the package: reconstructions and simulations, never measured data."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mtjfit.cards import Card, ShownAsCard
from mtjfit.errors import DataError, Problem, did_you_mean

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class BundledDataset(ShownAsCard):
    """One folder with ``data.csv``, ``study.toml`` and ``meta.toml``; in the repository ``make.py`` makes them.

    Some also hold the spectra from which the data come: ``spectra.csv``, ``spectra.toml``, covariances of the devices.

    Attributes
    ----------
    title : str
        One line for people.
    kind : str
        ``"reconstruction"`` or ``"simulated"``.
    meta : mapping
        Everything in ``meta.toml``.
    """

    name: str
    title: str
    kind: str
    path: Path
    study_file: Path
    meta: Mapping[str, Any]

    def _card(self) -> Card:
        return Card(f"BundledDataset {self.name} ({self.kind}): {self.title}")

    def verify(self) -> None:
        """Compare ``data.csv`` and ``spectra.csv`` with the sha256 in ``meta.toml``; DataError where one is missing or
        not the one released.
        """
        problems = []
        for name, key in (("data.csv", "sha256"), ("spectra.csv", "sha256_of_spectra")):
            file = self.path / name
            if key not in self.meta:
                continue
            if not file.is_file():
                problems.append(Problem(str(file), "is missing", "install the package again"))
            elif (found := hashlib.sha256(file.read_bytes()).hexdigest()) != self.meta[key]:
                what = f"has sha256 {found}, meta.toml says {self.meta[key]}"
                problems.append(Problem(str(file), what, "install the package again, or run make.py of the repository"))
        if problems:
            raise DataError(problems)

    @property
    def files(self) -> tuple[Path, ...]:
        """Data, declarations and ``meta.toml``: what a copy of the set consists of."""
        return tuple(sorted(file for file in self.path.iterdir() if file.suffix in (".csv", ".toml")))


def datasets_folder() -> Path:
    """Folder of the bundled sets: inside an installed package, or beside it in the repository."""
    installed = _PACKAGE / "_datasets"
    return installed if installed.is_dir() else _PACKAGE.parent / "datasets"


def datasets(folder: Path | None = None) -> tuple[BundledDataset, ...]:
    """All bundled sets, by name, or those of another `folder` laid out in the same way.

    DataError where a ``meta.toml`` cannot be read, or has no title, kind or sha256.

    Examples
    --------
    >>> all(each.kind in ("reconstruction", "simulated") for each in datasets())
    True
    """
    folder = datasets_folder() if folder is None else folder
    if not folder.is_dir():
        raise DataError([Problem(str(folder), "no such folder", "install the package again")])
    return tuple(_read(meta.parent) for meta in sorted(folder.glob("*/meta.toml")))


def dataset(name: str, folder: Path | None = None) -> BundledDataset:
    """One bundled set; DataError where there is none of this name."""
    found = {each.name: each for each in datasets(folder)}
    if name not in found:
        raise DataError([Problem(f"data set {name!r}", "does not exist", did_you_mean(name, found))])
    return found[name]


def _read(folder: Path) -> BundledDataset:
    file = folder / "meta.toml"
    try:
        meta = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError([Problem(str(file), f"cannot be read: {error}", "install the package again")]) from error
    problems = [Problem(f"{file}: {key}", "is missing or no string", "add it")
                for key in ("title", "kind", "sha256") if not isinstance(meta.get(key), str)]  # fmt: skip
    if not problems and meta["kind"] not in ("reconstruction", "simulated"):
        todo = "use 'reconstruction' or 'simulated': measured data do not ship"
        problems = [Problem(f"{file}: kind", f"is {meta['kind']!r}", todo)]
    if problems:
        raise DataError(problems)
    frozen = MappingProxyType(meta)
    return BundledDataset(folder.name, meta["title"], meta["kind"], folder, folder / "study.toml", frozen)
