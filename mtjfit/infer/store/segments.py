"""Files of a saved run: segments, each a block of steps with the stage after it, and the manifest that lists them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from mtjfit.errors import MtjfitError
from mtjfit.infer.ensembles.ensemble import ChainBlock, RandomState, Stage, Walkers
from mtjfit.infer.ensembles.mixture import Mixture
from mtjfit.infer.store.fingerprint import fingerprint
from mtjfit.output import replace_file

FORMAT = 1
MANIFEST = "manifest.json"
_PROGRAM = "mtjfit run"
_GENERATOR = "MT19937"
_PARTS = ("weights", "centres", "roots")  # of a mixture

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
            for name, mixture in (("jump", stage.jump), ("wide", stage.wide))
            for part in _PARTS
        },
    )
    return buffer.getvalue()


def segment_from(data: bytes) -> tuple[ChainBlock, Stage]:
    """Block and stage of a segment, bit for bit as they were saved; ValueError if the bytes are none."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        jump, wide = (Mixture(*(arrays[f"{name}_{part}"] for part in _PARTS)) for name in ("jump", "wide"))
        walkers = tuple(
            Walkers(coords, arrays["coords_log_posterior"][k], _random_state(arrays, k))
            for k, coords in enumerate(arrays["coords"])
        )
        stage = Stage(jump, wide, walkers, int(arrays["n_refits"]))
        return ChainBlock(arrays["theta"], arrays["log_posterior"]), stage
    except (KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"no segment of a run: {error}") from error


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


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a run, None if nothing was saved yet; MtjfitError if it is damaged, or of a newer version."""
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_bytes())
        if document["program"] != _PROGRAM:
            raise ValueError("it is of another program")
        newer = int(document["format"]) > FORMAT
        by = f"{document['versions']['mtjfit']}, format {int(document['format'])}" if newer else ""
        manifest = None if newer else _manifest(document)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MtjfitError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MtjfitError(
            f"{path}: is damaged ({type(error).__name__}: {error}); put back an intact copy, or delete the folder "
            f"{folder} to start anew"
        ) from None
    if newer:
        raise MtjfitError(
            f"{path}: was written by a newer version of mtjfit ({by}), and this one reads format {FORMAT}; go on with "
            "that version, or name another folder to start anew"
        )
    return manifest


def _manifest(document: dict[str, Any]) -> Manifest:
    segments = []
    for k, each in enumerate(document["segments"]):
        one = Segment(str(each["file"]), str(each["sha256"]), each["holds"], int(each["steps"]))
        if one.file != segment_name(k) or one.holds not in get_args(Holds) or one.steps < 0:
            raise ValueError(f"segments[{k}] is {each}")
        segments.append(one)
    description = {str(key): str(value) for key, value in document["study"].items()}
    if document["fingerprint"] != fingerprint(description):
        raise ValueError("the fingerprint is not that of the study")
    if segments and segments[0].holds != "prepared":
        raise ValueError("it does not begin with a prepared stage")
    versions = {str(key): str(value) for key, value in document["versions"].items()}
    return Manifest(description, versions, tuple(segments), str(document["saved"]))
