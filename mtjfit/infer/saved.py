"""Saved posteriors and studies: one ``.npz`` file each, with everything that a page needs and without pickles.

Any program that reads NumPy's format finds the draws under ``draws``, ``log_likelihood``, ``names`` and ``shape``.
``mtjfit`` is a JSON document about them, with the study.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.infer.convergence.gate import Check, Note, Verdict
from mtjfit.infer.evidence import Evidence
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.sampling import drawn_names
from mtjfit.infer.store.fingerprint import MODEL_VERSION, describe, description_changes, fingerprint, versions
from mtjfit.infer.store.npz import arrays_in
from mtjfit.input import read_bytes
from mtjfit.model.noise_models import make_posterior
from mtjfit.output import OTHER_FILE, write_file
from mtjfit.plain import ExactNumber, checked_json, exact, exact_number
from mtjfit.study import EQ12, KappaModel, Study
from mtjfit.study.document import StudyRecord, study_document, study_from

SAVED_FORMAT = 2
POSTERIOR_FILE = "draws.npz"
SAVED_STUDY = "study.npz"
_PROGRAM = "mtjfit saved"
_MARK = b"mtjfit.npy"  # in the directory of every file of ours
_OF_STUDY = {"mtjfit": np.uint8}
_OF_POSTERIOR = {**_OF_STUDY, "draws": np.float64, "log_likelihood": np.float64, "names": np.str_, "shape": np.int64}
_MAX_BYTES = 2**30


@dataclass(frozen=True)
class _Head:
    """Keys of the document of every format."""

    program: str
    format: int
    versions: dict[str, str]


@dataclass(frozen=True)
class _Sampled:
    """What is known of the draws."""

    settings: dict[str, int]
    checks: tuple[Check, ...]
    notes: tuple[Note, ...]
    tau: dict[str, ExactNumber]
    r_hat: ExactNumber
    ess: ExactNumber
    evidence: _Evidence | None


@dataclass(frozen=True)
class _Evidence:
    """The fields of an `Evidence`."""

    value: ExactNumber
    error: ExactNumber
    method: str
    k_hat: ExactNumber


@dataclass(frozen=True)
class _Document(_Head):
    model: int
    fingerprint: str
    study: StudyRecord
    sampled: _Sampled | None


@dataclass(frozen=True, eq=False)
class Saved(ShownAsCard):
    """Content of a file: the study, the draws where there are some, and versions of the programs that made them."""

    study: Study
    posterior: Posterior | None
    versions: Mapping[str, str]


def saved_bytes(study: Study, posterior: Posterior | None, made_by: Mapping[str, str] | None = None) -> bytes:
    """The file of a posterior, or of a study alone; the same bytes for the same numbers.

    `made_by` are the versions that made them, by default those of now. MtjfitError where the study would not come back
    as it is.
    """
    seed = _seed(study, posterior)
    document = {
        "program": _PROGRAM,
        "format": SAVED_FORMAT,
        "versions": dict(versions() if made_by is None else made_by),
        "model": MODEL_VERSION,
        "fingerprint": fingerprint(describe(study, seed)),
        "study": study_document(study),
        "sampled": None if posterior is None else _sampled(posterior),
    }
    words = json.dumps(document, allow_nan=False).encode()
    _refuse_unfaithful(study, seed, words)
    return _npz({"mtjfit": np.frombuffer(words, np.uint8), **({} if posterior is None else _draws(posterior))})


def draws_bytes(posterior: Posterior) -> bytes:
    """The draws alone, for programs that read NumPy's format; `load_posterior` cannot use it."""
    return _npz(_draws(posterior))


def _draws(posterior: Posterior) -> dict[str, np.ndarray]:
    return {
        "draws": np.ascontiguousarray(posterior.chain, dtype=np.float64).reshape(-1, len(posterior.names)),
        "log_likelihood": np.asarray(posterior.log_likelihood, dtype=np.float64).ravel(),
        "names": np.array(posterior.names, dtype=np.str_),
        "shape": np.array(posterior.chain.shape[:3], dtype=np.int64),  # ensembles, steps kept, walkers
    }


def _npz(arrays: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _seed(study: Study, posterior: Posterior | None) -> int:
    return study.sampling.seed if posterior is None else posterior.settings.get("seed", study.sampling.seed)


def _refuse_unfaithful(study: Study, seed: int, words: bytes) -> None:
    try:
        again = study_from(checked_json(_Document, words).study, study.model)
        changes = description_changes(describe(study, seed), describe(again, seed))
    except (ValueError, MtjfitError) as error:
        changes = (str(error),)
    if changes:
        raise MtjfitError("the study cannot be saved so that it comes back as it is:", *changes[:12])


def _sampled(posterior: Posterior) -> dict[str, Any]:
    verdict = posterior.verdict
    return {
        "settings": {name: int(value) for name, value in posterior.settings.items()},
        "checks": [{**asdict(each), "ok": bool(each.ok)} for each in verdict.checks],
        "notes": [asdict(each) for each in verdict.notes],
        **{name: exact(getattr(verdict, name)) for name in ("tau", "r_hat", "ess")},
        "evidence": exact(posterior.evidence),
    }


def read_saved(path: Path, *, draws: bool, model: KappaModel = EQ12) -> Saved:
    """A file of `saved_bytes`, with draws or without; MtjfitError with the reason where it cannot be used."""
    data = read_bytes(path, str(path), _MAX_BYTES)
    try:
        if not data:
            raise ValueError("it is empty")
        arrays = arrays_in(data, _OF_POSTERIOR if draws else _OF_STUDY)
        return _saved(arrays, draws, model)
    except MtjfitError as error:
        raise MtjfitError(f"{path}: holds a study that is none:", *error.args) from None
    except (ValueError, OverflowError) as error:
        alone = draws and _MARK not in data and zipfile.is_zipfile(io.BytesIO(data))
        why = "it holds no study, as of a prior that no file can name, or of an earlier version" if alone else error
        raise MtjfitError(
            f"{path}: cannot be loaded: {why}; give a file that posterior.save or mtjfit run wrote, or move it away "
            "and run the study again"
        ) from None


def _saved(arrays: Mapping[str, np.ndarray], draws: bool, model: KappaModel) -> Saved:
    words = arrays["mtjfit"].tobytes()
    if arrays["mtjfit"].ndim != 1:
        raise ValueError("its document is none")
    head = checked_json(_Head, words)
    if head.program != _PROGRAM:
        raise ValueError("it is of another program")
    by = head.versions.get("mtjfit", "unknown")
    if head.format != SAVED_FORMAT:
        raise ValueError(f"it has format {head.format}, of mtjfit {by}, and this version reads {SAVED_FORMAT}")
    document = checked_json(_Document, words)
    study = study_from(document.study, model)
    if (document.sampled is not None) != draws:
        raise ValueError("its document is not that of its arrays")
    posterior = None if document.sampled is None else _posterior(study, document.sampled, arrays)
    if document.model != MODEL_VERSION:
        raise ValueError(f"mtjfit {by} computed it with model version {document.model}, and this is {MODEL_VERSION}")
    if document.fingerprint != fingerprint(describe(study, _seed(study, posterior))):
        raise ValueError("the study in it is not the one that was saved")
    return Saved(study, posterior, document.versions)


def _posterior(study: Study, sampled: _Sampled, arrays: Mapping[str, np.ndarray]) -> Posterior:
    names, shape = tuple(map(str, arrays["names"].ravel().tolist())), tuple(map(int, arrays["shape"].ravel().tolist()))
    model = make_posterior(study)
    if names != drawn_names(model):
        raise ValueError("its draws are not of the parameters of its study")
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"its draws have the shape {shape}")
    n_draws = shape[0] * shape[1] * shape[2]
    if arrays["draws"].shape != (n_draws, len(names)) or arrays["log_likelihood"].shape != (n_draws,):
        raise ValueError(f"its draws are not {n_draws} of {len(names)} parameters")
    if not all(np.all(np.isfinite(arrays[name])) for name in ("draws", "log_likelihood")):
        raise ValueError("its draws are not finite")
    if {"seed", "ensembles", "walkers", "steps_after_warm_up", "thin"} - set(sampled.settings):
        raise ValueError("its settings are not those of a run")
    tau = {name: exact_number(each) for name, each in sampled.tau.items()}
    r_hat, ess = exact_number(sampled.r_hat), exact_number(sampled.ess)
    evidence = None
    if (one := sampled.evidence) is not None:
        evidence = Evidence(exact_number(one.value), exact_number(one.error), one.method, exact_number(one.k_hat))
    return Posterior(
        study=study,
        verdict=Verdict(sampled.checks, tau, sampled.notes, r_hat, ess),
        names=names,
        chain=arrays["draws"].reshape(*shape, len(names)),
        log_likelihood=arrays["log_likelihood"].reshape(shape),
        priors=model.priors,
        settings=sampled.settings,
        evidence=evidence,
    )


def save_posterior(posterior: Posterior, path: Path) -> None:
    """Write the file of a posterior; see `Posterior.save`."""
    write_file(path, saved_bytes(posterior.study, posterior), OTHER_FILE, _MARK)


def load_posterior(path: str | Path, *, model: KappaModel = EQ12) -> Posterior:
    """The posterior that `Posterior.save` wrote, or `mtjfit run` into a folder; no data file is needed.

    Nothing is sampled: draws, verdict, evidence and settings are bit for bit those that were saved, and the study is
    that of the draws.

    Parameters
    ----------
    path : str or Path
        The file, or the folder of a run.
    model : KappaModel, optional
        The model of one's own that the study has; no file holds it.

    Raises
    ------
    MtjfitError
        The file is damaged, of another program, of a newer version, or its draws do not fit its study.

    Examples
    --------
    >>> posterior = load_posterior("result")  # doctest: +SKIP
    >>> posterior.summary()  # doctest: +SKIP
    """
    path = Path(path)
    file = path / POSTERIOR_FILE if path.is_dir() else path
    if path.is_dir() and not file.exists() and (path / SAVED_STUDY).exists():
        raise MtjfitError(f"{path}: the data of its study determine combinations only, so there are no draws")
    posterior = read_saved(file, draws=True, model=model).posterior
    assert posterior is not None  # noqa: S101 - with draws
    return posterior
