"""A run on disk goes on, to the last bit, as if nothing had happened to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journal_runs import STUDY, Death, Killed, contents, refused, run, run_in, same
from shortcuts import slow_but

import mtjfit.infer.store.journal as journal_module
from mtjfit.infer import Chains, Check, Verdict, open_journal
from mtjfit.infer.store.segments import segment_bytes, segment_from


def listed(folder: Path) -> list[dict]:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["segments"]


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# the numbers


def test_a_saved_run_is_the_run(tmp_path: Path, undisturbed: Chains):
    assert same(run_in(tmp_path / "run"), undisturbed)
    assert same(run_in(tmp_path / "run"), undisturbed)  # finished: nothing is computed again
    assert [each["holds"] for each in listed(tmp_path / "run")].count("refitted") == 2


@pytest.mark.parametrize("stop", slow_but((23,), (5, 23, 65, 74)))
def test_a_run_with_a_larger_limit_goes_on_as_if_it_always_had_it(tmp_path: Path, undisturbed: Chains, stop: int):
    run_in(tmp_path / "run", max_steps=stop)
    assert same(run_in(tmp_path / "run"), undisturbed)


def test_limits_are_rounded_up_to_whole_blocks(tmp_path: Path):
    """Else a run gone on with would not be the one that was never stopped: jumps are drawn ahead within a block."""
    run_in(tmp_path / "run", max_steps=23)
    assert [each["steps"] for each in listed(tmp_path / "run") if each["holds"] == "steps"] == [5] * 5


def test_a_smaller_limit_ends_it_where_it_is(begun: Path):
    assert run_in(begun, max_steps=15).theta.shape[1] == 10  # 20 of the 30 steps served to fit the proposal


def test_more_draws_may_be_asked_for_later(tmp_path: Path, undisturbed: Chains):
    agree = {"gate": lambda *_: Verdict((), {}), "opinion": lambda *_: Check("second method", True, "")}
    assert run_in(tmp_path / "run", **agree).theta.shape[1] == 10
    assert same(run_in(tmp_path / "run"), undisturbed)


def test_a_kill_at_every_operation_on_files(tmp_path: Path, undisturbed: Chains):
    """Killed after 0, 1, 2, … operations, and again and again until it is done, it ends where it should."""
    chains, deaths = None, 0
    while chains is None:
        with pytest.MonkeyPatch.context() as patch:
            death = Death(deaths, patch)
            try:
                chains = run_in(tmp_path / "run")
            except Killed:
                deaths += 1
            finally:
                death.left = 10**9
    assert deaths > 12  # a save is ten operations
    assert same(chains, undisturbed)
    assert set(contents(tmp_path / "run", "segment*")) == {each["file"] for each in listed(tmp_path / "run")}


def test_a_kill_between_segment_and_manifest_leaves_one_unlisted_segment(begun: Path, undisturbed, monkeypatch):
    before = listed(begun)
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "write_manifest", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            run_in(begun)
    assert listed(begun) == before
    unlisted = begun / f"segment-{len(before) + 1:06d}.npz"
    assert unlisted.exists()
    unlisted.write_bytes(b"half")
    assert same(run_in(begun), undisturbed)


def with_states(stage: Any, change: Callable[[tuple], tuple]) -> Any:
    return replace(stage, walkers=tuple(replace(one, random_state=change(one.random_state)) for one in stage.walkers))


FORGETS: dict[str, Callable[[Any], Any]] = {
    "random state": lambda stage: with_states(stage, lambda _: np.random.RandomState(1).get_state(legacy=True)),
    "wide": lambda stage: replace(stage, wide=stage.jump),
    # one of a pair of normal deviates that a generator has left
    "gauss": lambda stage: with_states(stage, lambda state: (*state[:3], 0, 0.0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("forgets", ["random state", "wide"])
def test_sabotage_a_stage_that_forgets_something_is_seen(tmp_path: Path, undisturbed: Chains, monkeypatch, forgets):
    def broken(data: bytes) -> tuple:
        block, after = segment_from(data)
        return block, FORGETS[forgets](after)

    run_in(tmp_path / "run", max_steps=30)  # between two refits: `jump` is no longer `wide`, which the second needs
    monkeypatch.setattr(journal_module, "segment_from", broken)
    assert not same(run_in(tmp_path / "run"), undisturbed)


# segments


def equal(one: object, other: object) -> bool:
    """Field by field, whatever fields there are, to the last bit."""
    if is_dataclass(one):
        return type(one) is type(other) and all(
            equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)
        )
    if isinstance(one, tuple):
        return isinstance(other, tuple) and len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and (one.dtype, one.shape) == (other.dtype, other.shape) and (
            one.tobytes() == other.tobytes()
        )  # fmt: skip
    return one == other


def test_a_stage_comes_back_as_it_was_in_every_field(begun: Path):
    """Sabotage: one that forgets something is noticed."""
    with open_journal(begun, STUDY) as journal:
        history = journal.history()
    block, after = (
        history.blocks[-1],
        with_states(history.stage, lambda state: (*state[:3], 1, 0.3)),
    )  # a normal deviate left over
    after = replace(after, wide=replace(after.wide, roots=2.0 * after.wide.roots))
    found = segment_from(segment_bytes(block, after))
    assert equal((block, after), found)
    assert segment_bytes(block, after) == segment_bytes(block, after)
    for forget in FORGETS.values():
        assert not equal((block, after), (block, forget(found[1])))


def test_segments_hold_no_pickles_and_never_change(begun: Path):
    early = contents(begun, "segment*")
    for name in early:
        with np.load(begun / name, allow_pickle=False) as file:
            assert all(file[key].dtype.kind in "fiu" for key in file.files)
    run_in(begun)
    assert contents(begun).items() >= early.items()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x04N."])
def test_what_is_no_segment_is_a_value_error(data: bytes):
    with pytest.raises(ValueError, match=r".+"):
        segment_from(data)


@pytest.mark.parametrize("harm", [flip_a_bit, lambda path: path.write_bytes(path.read_bytes()[:-100])])
def test_a_damaged_segment_is_named_and_can_be_deleted(begun: Path, undisturbed: Chains, harm):
    folder = begun
    victim = folder / listed(folder)[-2]["file"]
    harm(victim)
    with refused(folder, rf"{victim.name}: was changed or damaged.* delete this file: the run then"):
        run_in(folder)
    victim.unlink()
    with open_journal(folder, STUDY) as journal:
        assert journal.notes[1] == f"{victim.name} is missing: 10 steps are computed again"
        assert same(run(journal), undisturbed)


def test_segments_that_do_not_count_may_go(begun: Path, undisturbed: Chains):
    (begun / "segment-000002.npz").unlink()
    flip_a_bit(begun / "segment-000003.npz")
    assert same(run_in(begun), undisturbed)


def test_if_all_are_missing_it_begins_anew(begun: Path, undisturbed: Chains):
    for each in (begun).glob("segment*"):
        each.unlink()
    assert same(run_in(begun), undisturbed)
