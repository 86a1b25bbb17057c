"""Saved posteriors: everything comes back, and a file that is damaged, foreign or does not fit is refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mtjfit
from mtjfit.errors import MtjfitError
from mtjfit.infer import Note, describe
from mtjfit.study import Fixed, Parameter

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def posterior() -> mtjfit.Posterior:
    """Only amplitudes are free: nothing to sample."""
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    lengths = {name: Fixed(each.prior.peak) for name, each in study.parameters.items() if name.startswith(("la", "La"))}
    fixed = {name: Parameter(name, prior) for name, prior in (lengths | {"thickness": Fixed(0.0)}).items()}
    fixed["thickness"] = replace(fixed["thickness"], scope="device")
    found = mtjfit.sample(study.replace(parameters=dict(study.parameters) | fixed), seed=3, progress=False)
    verdict = replace(found.verdict, notes=(Note("edge", "µ\n"),), tau={"a1": np.inf, "b2": 2.5}, ess=1 / 3)
    return replace(found, verdict=verdict)


@pytest.fixture(scope="module")
def data(posterior: mtjfit.Posterior, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("saved") / "a.npz"
    posterior.save(file)
    return file.read_bytes()


def loaded(data: bytes, tmp_path: Path) -> mtjfit.Posterior:
    file = tmp_path / "b.npz"
    file.write_bytes(data)
    return mtjfit.load_posterior(str(file))


def refusal(data: bytes, tmp_path: Path) -> str:
    with pytest.raises(MtjfitError) as caught:
        loaded(data, tmp_path)
    said = str(caught.value)
    assert "b.npz: " in said
    return said


def test_everything_comes_back(posterior: mtjfit.Posterior, data: bytes, tmp_path: Path) -> None:
    found = loaded(data, tmp_path)
    for name in ("chain", "log_likelihood"):
        assert getattr(found, name).tobytes() == getattr(posterior, name).tobytes()
        assert getattr(found, name).shape == getattr(posterior, name).shape
    assert describe(found.study, 3) == describe(posterior.study, 3)
    for name in ("names", "evidence", "settings"):
        assert repr(getattr(found, name)) == repr(getattr(posterior, name))
    assert repr(found.verdict) == repr(posterior.verdict)
    assert dict(found.priors) == dict(posterior.priors)
    assert found.summary().equals(posterior.summary())


def test_what_was_loaded_is_saved_as_the_same_bytes(data: bytes, tmp_path: Path) -> None:
    found = loaded(data, tmp_path)
    found.save(tmp_path / "b.npz")  # over a file of ours
    assert (tmp_path / "b.npz").read_bytes() == data


def test_nothing_of_others_is_written_over(posterior: mtjfit.Posterior, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", a=1)
    with pytest.raises(MtjfitError, match="mtjfit did not write it"):
        posterior.save(tmp_path / "mine.npz")


def test_whole_numbers_of_priors_are_those_numbers(posterior: mtjfit.Posterior, tmp_path: Path) -> None:
    study = posterior.study
    whole = study.replace(parameters=dict(study.parameters) | {"lambda_J": Parameter("lambda_J", Fixed(2))})
    replace(posterior, study=whole).save(tmp_path / "a.npz")
    assert mtjfit.load_posterior(tmp_path / "a.npz").study.parameters["lambda_J"].value == 2


def packed(arrays: Arrays, save: Callable[..., None] = np.savez, **more: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays, **more)
    return buffer.getvalue()


def changed(data: bytes, change: Callable[[Arrays], object]) -> bytes:
    arrays = dict(np.load(io.BytesIO(data)))
    change(arrays)
    return packed(arrays)


def document(change: Callable[[dict[str, Any]], object]) -> Callable[[Arrays], None]:
    def applied(arrays: Arrays) -> None:
        words = json.loads(arrays["mtjfit"].tobytes())
        change(words)
        arrays["mtjfit"] = np.frombuffer(json.dumps(words).encode(), np.uint8)

    return applied


def _move(bias: list[float]) -> None:
    bias[0] += 1e-9


def first(value: float) -> Callable[[Arrays], None]:
    return lambda arrays: arrays["draws"].__setitem__((0, 0), value)


CHANGES: dict[str, tuple[Callable[[Arrays], object], str]] = {
    "a newer format": (document(lambda d: d.update(format=3, study=[])), "format 3, of mtjfit"),
    "an older format": (document(lambda d: d.update(format=1, study=[])), "format 1, of mtjfit"),
    "a file of format 1": (lambda a: a.update(numbers=np.zeros(9)), "not those of a saved run of this version"),
    "another model": (document(lambda d: d.update(model=1)), "model version 1"),
    "another program": (document(lambda d: d.update(program="refnx")), "of another program"),
    "another study": (document(lambda d: _move(d["study"]["curves"][0]["bias"])), "not the one that was saved"),
    "another fingerprint": (document(lambda d: d.update(fingerprint="0" * 64)), "not the one that was saved"),
    "no study": (document(lambda d: d.pop("study")), "study"),
    "no draws": (document(lambda d: d.update(sampled=None)), "not that of its arrays"),
    "no JSON": (lambda a: a.update(mtjfit=np.zeros(9, np.uint8)), "Invalid JSON"),
    "nested JSON": (lambda a: a.update(mtjfit=np.full(10**6, ord("["), np.uint8)), "Invalid JSON"),
    "a setting that lacks": (document(lambda d: d["sampled"]["settings"].pop("thin")), "settings"),
    "a word for a check": (document(lambda d: d["sampled"]["checks"][0].update(ok="yes")), "boolean"),
    "NaN": (first(np.nan), "not finite"),
    "infinity": (first(np.inf), "not finite"),
    "fewer draws": (lambda a: a.update(draws=a["draws"][1:]), "are not"),
    "fewer parameters": (lambda a: a.update(draws=a["draws"][:, 1:]), "are not"),
    "other names": (lambda a: a.update(names=a["names"][::-1]), "not of the parameters"),
    "another shape": (lambda a: a.update(shape=a["shape"][[0, 1]]), "have the shape"),
    "a negative shape": (lambda a: a.update(shape=-a["shape"]), "have the shape"),
    "a huge shape": (lambda a: a.update(shape=np.array([2**62, 4, 4])), "are not"),
    "log L that lacks": (lambda a: a.update(log_likelihood=a["log_likelihood"][1:]), "are not"),
    "a number of the verdict that lacks": (document(lambda d: d["sampled"].pop("ess")), "ess"),
    "a word for a number": (document(lambda d: d["sampled"]["tau"].update(a1="long")), "tau"),
    "names as bytes": (lambda a: a.update(names=a["names"].astype("S")), "stands in place"),
    "draws as objects": (lambda a: a.update(draws=a["draws"].astype(object)), "stands in place"),
    "an array that lacks": (lambda a: a.pop("shape"), "not those"),
    "an array too many": (lambda a: a.update(more=a["shape"]), "not those"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_file_that_does_not_fit_is_refused_with_the_reason(data: bytes, tmp_path: Path, case: str) -> None:
    change, says = CHANGES[case]
    assert says in refusal(changed(data, change), tmp_path)


def test_the_file_of_another_program_is_refused(tmp_path: Path) -> None:
    refusal(packed({"x": np.arange(3)}), tmp_path)
    refusal(b"", tmp_path)
    refusal(b"\x89HDF\r\n", tmp_path)


def test_bombs_and_huge_headers_are_refused(data: bytes, tmp_path: Path) -> None:
    arrays = dict(np.load(io.BytesIO(data)))
    bomb = packed(arrays | {"draws": np.zeros((10**6, 8))}, np.savez_compressed)
    assert "compressed" in refusal(bomb, tmp_path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file, zipfile.ZipFile(io.BytesIO(data)) as sound:
        for each in sound.namelist():
            content = sound.read(each)
            if each == "draws.npy":
                content = content[:8] + b"\xff\xff" + b"{'descr': " + b"(" * 65525 + content
            file.writestr(each, content)
    refusal(buffer.getvalue(), tmp_path)


@pytest.mark.parametrize("seed", range(20))
def test_a_file_that_was_cut_or_has_other_bits_is_refused_or_is_the_same(
    data: bytes, posterior: mtjfit.Posterior, tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    refusal(data[: rng.integers(len(data))], tmp_path)
    other = bytearray(data)
    other[rng.integers(len(data))] ^= 1 << rng.integers(8)
    try:
        found = loaded(bytes(other), tmp_path)
    except MtjfitError:
        return
    assert found.chain.tobytes() == posterior.chain.tobytes()
