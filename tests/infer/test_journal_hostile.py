"""Runs on disk whose files somebody changed: no memory is read, no traceback, nothing is unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from journal_runs import refused, run_in
from shortcuts import slow_after

from mtjfit.errors import MtjfitError


def rewritten(folder: Path, data: bytes, k: int = -1) -> None:
    """Another content of a segment, with its sha256 put right."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    segment = document["segments"][k]
    (folder / segment["file"]).write_bytes(data)
    segment["sha256"] = hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(document), encoding="utf-8")


def last(folder: Path) -> Path:
    return sorted(folder.glob("segment-*.npz"))[-1]


def saved(arrays: dict[str, np.ndarray], save: Callable[..., None] = np.savez) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


CHANGES: dict[str, Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]] = {
    "random_position far": lambda a: {"random_position": a["random_position"] + 10**8},
    "random_position just beyond": lambda a: {"random_position": a["random_position"] * 0 + 625},
    "random_position negative": lambda a: {"random_position": a["random_position"] * 0 - 1},
    "random_position of floats": lambda a: {"random_position": a["random_position"] + 0.5},
    "random_position fewer": lambda a: {"random_position": a["random_position"][:1]},
    "random_keys short": lambda a: {"random_keys": a["random_keys"][:, :600]},
    "random_keys zero": lambda a: {"random_keys": a["random_keys"] * 0},
    "random_has_gauss": lambda a: {"random_has_gauss": a["random_has_gauss"] * 0 + 7},
    "random_gauss": lambda a: {"random_gauss": a["random_gauss"] * np.nan},
    "coords of another dimension": lambda a: {"coords": a["coords"][..., :1]},
    "coords NaN": lambda a: {"coords": a["coords"] * np.nan},
    "coords scalar": lambda a: {"coords": np.array(1.0)},
    "coords text": lambda a: {"coords": np.array(["x"])},
    "theta of one walker": lambda a: {"theta": a["theta"][:, :, :1]},
    "theta without steps": lambda a: {"theta": a["theta"][:, :0], "log_posterior": a["log_posterior"][:, :0]},
    "log_posterior infinite": lambda a: {"log_posterior": a["log_posterior"] + np.inf},
    "n_refits an array": lambda a: {"n_refits": np.zeros(3, dtype=np.int64)},
    "n_refits negative": lambda a: {"n_refits": np.array(-1)},
    "jump_roots singular": lambda a: {"jump_roots": a["jump_roots"] * 0},
    "jump_weights negative": lambda a: {"jump_weights": -a["jump_weights"]},
    "jump_weights empty": lambda a: {f"jump_{part}": a[f"jump_{part}"][:0] for part in ("weights", "centres", "roots")},
    "jump_weights huge": lambda a: {"jump_weights": a["jump_weights"] * 0 + 1e308},
    "wide_weights that are no shares": lambda a: {"wide_weights": a["wide_weights"] * 1.001},
    "jump_roots huge": lambda a: {"jump_roots": a["jump_roots"] * 1e200},
    "wide_roots tiny": lambda a: {"wide_roots": a["wide_roots"] * 1e-200},
    "coords huge": lambda a: {"coords": a["coords"] * 0 + 1e300},
    "one ensemble": lambda a: {name: each[:1] for name, each in a.items() if each.shape[:1] == a["coords"].shape[:1]
                               and not name.startswith(("jump", "wide"))},
    "wide_centres of another shape": lambda a: {"wide_centres": a["wide_centres"].T},
    "an array more": lambda _: {"more": np.zeros(1)},
    "fewer walkers everywhere": lambda a: {
        name: a[name][..., :4, :] for name in ("theta", "coords")} | {
        name: a[name][..., :4] for name in ("log_posterior", "coords_log_posterior")},
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_segment_that_no_run_can_have_is_damaged(begun: Path, name: str):
    arrays = arrays_of(last(begun))
    rewritten(begun, saved(arrays | CHANGES[name](arrays)))
    with refused(begun, r"segment-\d+\.npz: was changed or damaged since it was written"):
        run_in(begun)


def flagged(data: bytes) -> bytes:
    """Marked as encrypted."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(mark)
        changed[at + offset] |= 1
    return bytes(changed)


def method(data: bytes) -> bytes:
    """Marked as packed by a method that does not exist."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        changed[changed.find(mark) + offset] = 77
    return bytes(changed)


def with_header(data: bytes, header: bytes) -> bytes:
    """With another header of the array `coords`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for each in old.namelist():
            member = old.read(each)
            if each == "coords.npy":
                member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + member[-64:]
            new.writestr(each, member)
    return buffer.getvalue()


FILES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"", "text": lambda _: b"x" * 100, "cut": lambda data: data[:-40], "encrypted": flagged,
    "an unknown method": method,
    "no header": lambda data: with_header(data, b"{'descr'"),
    "a deep header": lambda data: with_header(data, b"(" * 5000),
    "a header of objects": lambda data: with_header(data, b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n"),
    "a header of 10^18 numbers": lambda data: with_header(
        data, b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000000,)}\n"),
    "a negative header": lambda data: with_header(
        data, b"{'descr': '<f8', 'fortran_order': False, 'shape': (-8, -1)}\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_segment_that_is_no_file_of_arrays_is_damaged(begun: Path, name: str):
    rewritten(begun, FILES[name](last(begun).read_bytes()))
    with refused(begun, r"segment-\d+\.npz: was changed or damaged since it was written"):
        run_in(begun)


def test_nothing_is_unpacked(begun: Path):
    """A segment of a megabyte that would have a gigabyte."""
    arrays = arrays_of(last(begun))
    zeros = np.broadcast_to(np.zeros(1), (2, 8_000_000, 8, 1))
    data = saved(
        arrays | {"theta": np.zeros((2, 5, 8, 2)), "log_posterior": zeros[:, :500_000, :, 0]}, np.savez_compressed
    )
    rewritten(begun, data)
    with refused(begun, "its arrays are compressed or encrypted"):
        run_in(begun)


@pytest.mark.parametrize(
    "changes",
    [
        '"format": Infinity', '"format": 1e999', '"format": "1"', '"versions": null', '"versions": []',
        '"versions": {"numpy": 1}', '"study": []', '"study": "x"', '"study": {"a": 1}', '"segments": {}',
        '"segments": [[]]', '"saved": 1', '"program": ["mtjfit run"]', '"fingerprint": null',
        '"segments": [{"file": "segment-000001.npz", "sha256": "", "holds": "prepared", "steps": Infinity}]',
        '"segments": [{"file": "segment-000001.npz", "sha256": "", "holds": "prepared", "steps": 1e18}]',
        '"segments": [{"file": "segment-000001.npz", "sha256": "", "holds": [], "steps": 0}]',
        f'"study": {"[" * 10**5}',
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_a_manifest_of_other_kinds_of_values_is_damaged(begun: Path, changes: str):
    path = begun / "manifest.json"
    key = changes.split(":")[0].strip('"')
    document = {name: each for name, each in json.loads(path.read_text("utf-8")).items() if name != key}
    path.write_text(json.dumps(document)[:-1] + f", {changes}" + "}", encoding="utf-8")
    with refused(begun, r"manifest\.json: is damaged"):
        run_in(begun)


@pytest.mark.parametrize("text", slow_after(1, ['{"pid": -1}', "inf", "[" * 10**5, '{"pid": 1e999}', "\x00" * 1000]))
def test_what_a_lock_file_holds_does_not_matter(begun: Path, text: str):
    (begun / "lock").write_text(text, encoding="utf-8")
    run_in(begun)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["manifest.json", "segment-000001.npz"])
def test_a_pipe_in_place_of_a_file_does_not_hang(begun: Path, name: str):
    (begun / name).unlink()
    os.mkfifo(begun / name)
    with pytest.raises(MtjfitError, match="holds files that are no run of mtjfit"):
        run_in(begun)
