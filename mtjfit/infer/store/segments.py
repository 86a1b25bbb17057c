"""Files of a saved run: segments, each a block of steps with the stage after it, and the manifest that lists them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from mtjfit.errors import MtjfitError
from mtjfit.infer.ensembles.ensemble import ChainBlock, RandomState, Stage, Walkers
from mtjfit.infer.ensembles.mixture import Mixture
from mtjfit.infer.store.fingerprint import fingerprint
from mtjfit.infer.store.npz import arrays_in
from mtjfit.input import read_bytes
from mtjfit.output import replace_file
from mtjfit.plain import checked_json

FORMAT = 1
MANIFEST = "manifest.json"
_PROGRAM = "mtjfit run"
_GENERATOR = "MT19937"
_MIXTURES = ("jump", "wide")
_PARTS = ("weights", "centres", "roots")  # of a mixture
_KEYS = 624  # of the generator
_MOST_REFITS = 500  # each waits twice as long as the one before
_DTYPES = {
    **dict.fromkeys(("theta", "log_posterior", "coords", "coords_log_posterior", "random_gauss"), np.float64),
    **dict.fromkeys(("random_position", "random_has_gauss", "n_refits"), np.int64),
    **{f"{name}_{part}": np.float64 for name in _MIXTURES for part in _PARTS},
    "random_keys": np.uint32,
}
_LARGEST = 1e100  # of all numbers: their squares are finite
_OF_ONE = 1e-9  # the sum of weights
_MOST_STEPS = 10**6  # of one segment
_MAX_BYTES = 64 * 2**20  # of a manifest: those of runs have a hundredth of it

Holds: TypeAlias = Literal["prepared", "refitted", "steps"]
"""The first stage, the stage after a refit (which makes all segments before it void), or a block of steps."""


def segment_bytes(block: ChainBlock | None, stage: Stage) -> bytes:
    """An uncompressed ``.npz`` file, the same bytes for the same numbers; without a block, of a stage alone."""
    states = [one.random_state for one in stage.walkers]
    if any(state[0] != _GENERATOR for state in states):
        raise ValueError(f"random states must be of {_GENERATOR}, the generator of emcee")
    coords = np.array([one.coords for one in stage.walkers])
    shape = (len(coords), 0, *coords.shape[1:])
    buffer = io.BytesIO()
    np.savez(
        buffer,
        theta=np.zeros(shape) if block is None else block.theta,
        log_posterior=np.zeros(shape[:-1]) if block is None else block.log_posterior,
        coords=coords,
        coords_log_posterior=np.array([one.log_posterior for one in stage.walkers]),
        random_keys=np.array([state[1] for state in states], dtype=np.uint32),
        random_position=np.array([state[2] for state in states], dtype=np.int64),
        random_has_gauss=np.array([state[3] for state in states], dtype=np.int64),
        random_gauss=np.array([state[4] for state in states], dtype=np.float64),
        n_refits=np.array(stage.n_refits, dtype=np.int64),
        **{
            f"{name}_{part}": getattr(mixture, part)
            for name, mixture in zip(_MIXTURES, (stage.jump, stage.wide), strict=True)
            for part in _PARTS
        },
    )
    return buffer.getvalue()


def segment_from(data: bytes) -> tuple[ChainBlock, Stage]:
    """Block and stage of a segment, bit for bit as they were saved; ValueError if the bytes are none."""
    arrays = arrays_in(data, _DTYPES)
    _check(arrays)
    jump, wide = (Mixture(*(arrays[f"{name}_{part}"] for part in _PARTS)) for name in _MIXTURES)
    walkers = tuple(
        Walkers(coords, arrays["coords_log_posterior"][k], _random_state(arrays, k))
        for k, coords in enumerate(arrays["coords"])
    )
    return ChainBlock(arrays["theta"], arrays["log_posterior"]), Stage(jump, wide, walkers, int(arrays["n_refits"]))


def _check(arrays: Mapping[str, np.ndarray]) -> None:
    """ValueError unless the arrays fit together and hold numbers that a run can have.

    NumPy's generator reads its keys at the position that it is given, wherever in memory that is.
    """
    E, S, W, D = (*arrays["theta"].shape, *[0] * 4)[:4]
    expected: dict[str, tuple[int, ...]] = {
        "theta": (E, S, W, D), "log_posterior": (E, S, W), "coords": (E, W, D), "coords_log_posterior": (E, W),
        "random_keys": (E, _KEYS), "n_refits": (),
        **{f"random_{name}": (E,) for name in ("position", "has_gauss", "gauss")},
    }  # fmt: skip
    for name in _MIXTURES:
        K = arrays[f"{name}_weights"].size
        expected |= {f"{name}_weights": (K,), f"{name}_centres": (K, D), f"{name}_roots": (K, D, D)}
    wrong = [name for name, shape in expected.items() if arrays[name].shape != shape]
    wrong += [name for name, each in arrays.items() if not np.all(np.abs(each) <= _LARGEST)]  # nor NaN
    position, keys = arrays["random_position"], arrays["random_keys"]
    for name, fine in {
        "coords": E > 1 and D > 0 and W >= 2 * D and W % 2 == 0,
        "random_position": np.all((position >= 0) & (position <= _KEYS)),
        "random_has_gauss": np.all(np.isin(arrays["random_has_gauss"], (0, 1))),
        "random_keys": np.all(np.any(keys, axis=-1)),
        "n_refits": np.all((arrays["n_refits"] >= 0) & (arrays["n_refits"] <= _MOST_REFITS)),
    }.items():
        wrong += [] if fine else [name]
    for name in () if wrong else _MIXTURES:
        weights, roots = arrays[f"{name}_weights"], arrays[f"{name}_roots"]
        if not (np.all(weights >= 0) and abs(np.sum(weights) - 1) < _OF_ONE):
            wrong.append(f"{name}_weights")
        if not np.all(np.diagonal(roots, axis1=1, axis2=2) > 1 / _LARGEST):
            wrong.append(f"{name}_roots")
    if wrong:
        raise ValueError(f"its {wrong[0]} cannot be those of a run")


def _random_state(arrays: dict[str, np.ndarray], k: int) -> RandomState:
    position, has_gauss = int(arrays["random_position"][k]), int(arrays["random_has_gauss"][k])
    return _GENERATOR, arrays["random_keys"][k], position, has_gauss, float(arrays["random_gauss"][k])


def segment_name(k: int) -> str:
    """File name of segment `k`, counted from 0."""
    return f"segment-{k + 1:06d}.npz"


@dataclass(frozen=True)
class Segment:
    """One entry of the manifest."""

    file: str
    sha256: str
    holds: Holds
    steps: int


@dataclass(frozen=True)
class Manifest:
    """Content of ``manifest.json``."""

    description: Mapping[str, str]  # of the study, by `describe`
    versions: Mapping[str, str]  # of the packages that the run was begun with
    segments: tuple[Segment, ...]
    saved: str = ""  # time of the last saving, UTC

    @property
    def counted_from(self) -> int:
        """Place of the last stage after which all steps count; 0 if there is none."""
        return max((k for k, each in enumerate(self.segments) if each.holds != "steps"), default=0)

    @property
    def n_steps(self) -> int:
        """Steps on disk, whether they count or not."""
        return sum(each.steps for each in self.segments)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a run; after an OSError the old one is whole."""
    document = {
        "program": _PROGRAM,
        "format": FORMAT,
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": fingerprint(manifest.description),
        "versions": dict(manifest.versions),
        "counted_from": segment_name(manifest.counted_from),
        "segments": [asdict(each) for each in manifest.segments],
        "study": dict(manifest.description),
    }
    replace_file(folder / MANIFEST, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())


@dataclass(frozen=True)
class _Head:
    """Keys of the document of every format."""

    program: str
    format: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class _Document(_Head):
    """The document of this format, as far as it is read."""

    saved: str
    fingerprint: str
    segments: tuple[Segment, ...]
    study: Mapping[str, str]


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a run, None if nothing was saved yet; MtjfitError if it is damaged, or of a newer version."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    text = read_bytes(path, str(path), _MAX_BYTES)
    try:
        head = checked_json(_Head, text)
        if head.program != _PROGRAM:
            raise ValueError("it is of another program")
        manifest = None if head.format > FORMAT else _manifest(checked_json(_Document, text))
    except ValueError as error:
        raise MtjfitError(
            f"{path}: is damaged ({error}); put back an intact copy, or delete the folder {folder} to start anew"
        ) from None
    if manifest is None:
        by = f"{head.versions.get('mtjfit', 'unknown')}, format {head.format}"
        raise MtjfitError(
            f"{path}: was written by a newer version of mtjfit ({by}), and this one reads format {FORMAT}; go on with "
            "that version, or name another folder to start anew"
        )
    return manifest


def _manifest(document: _Document) -> Manifest:
    for k, each in enumerate(document.segments):
        if each.file != segment_name(k) or not 0 <= each.steps <= _MOST_STEPS:
            raise ValueError(f"segments[{k}] is {each}")
    if document.fingerprint != fingerprint(document.study):
        raise ValueError("the fingerprint is not that of the study")
    if document.segments and document.segments[0].holds != "prepared":
        raise ValueError("it does not begin with a prepared stage")
    if sum(each.holds == "refitted" for each in document.segments) > _MOST_REFITS:
        raise ValueError("it was refitted more often than a run ever is")
    datetime.fromisoformat(document.saved)  # ValueError for anything else
    return Manifest(document.study, document.versions, document.segments, document.saved)
