"""A run on disk goes on, to the last bit, as if nothing had happened to it."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from journal_runs import (
    STUDY,
    Bell,
    Death,
    Killed,
    begun,
    begun_once,
    contents,
    quick_disks,
    run,
    run_in,
    same,
    stage,
    undisturbed,
)

from mtjfit.errors import MtjfitError
from mtjfit.infer import Chains, Check, Verdict, open_journal
from mtjfit.infer.ensembles.ensemble import Stage, advanced
from mtjfit.infer.ensembles.mixture import wider
from mtjfit.infer.store import journal as journal_module
from mtjfit.infer.store.segments import segment_bytes, segment_from

__all__ = ["begun", "begun_once", "quick_disks", "undisturbed"]  # fixtures


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


@pytest.mark.parametrize("stop", [5, 23, 65, 74])
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
    deaths, after = 0, 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            death = Death(after, patch)
            try:
                chains = run_in(tmp_path / "run")
                break
            except Killed:
                deaths, after = deaths + 1, after + 1
            finally:
                death.left = 10**9
    assert deaths > 12  # a save is ten operations
    assert same(chains, undisturbed)
    unlisted = {each.name for each in (tmp_path / "run").glob("segment*")} - {
        e["file"] for e in listed(tmp_path / "run")
    }
    assert unlisted == set()


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


def without_random_state(data: bytes) -> tuple:
    block, after = segment_from(data)
    fresh = np.random.RandomState(1).get_state(legacy=True)
    return block, replace(after, walkers=tuple(replace(one, random_state=fresh) for one in after.walkers))


def without_gauss(data: bytes) -> tuple:
    """A generator that has one of a pair of normal deviates left forgets it."""
    block, after = segment_from(data)
    return block, replace(
        after, walkers=tuple(replace(w, random_state=(*w.random_state[:3], 0, 0.0)) for w in after.walkers)
    )


def without_wide(data: bytes) -> tuple:
    block, after = segment_from(data)
    return block, replace(after, wide=after.jump)


@pytest.mark.parametrize("broken", [without_random_state, without_wide])
def test_sabotage_a_stage_that_forgets_something_is_seen(tmp_path: Path, undisturbed: Chains, monkeypatch, broken):
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


def with_gauss(state: Stage) -> Stage:
    """One walker's generator has a normal deviate left over."""
    first = state.walkers[0]
    return replace(state, walkers=(replace(first, random_state=(*first.random_state[:3], 1, 0.3)), *state.walkers[1:]))


def test_a_stage_comes_back_as_it_was_in_every_field():
    block, after = advanced(Bell(), stage(), 3)
    after = replace(with_gauss(after), wide=wider(after.wide, 2.0))
    assert equal((block, after), segment_from(segment_bytes(block, after)))
    assert segment_bytes(block, after) == segment_bytes(block, after)


@pytest.mark.parametrize("broken", [without_random_state, without_gauss, without_wide])
def test_sabotage_a_field_that_is_not_saved_is_seen(broken):
    block, after = advanced(Bell(), stage(), 3)
    after = replace(with_gauss(after), wide=wider(after.wide, 2.0))
    assert not equal((block, after), broken(segment_bytes(block, after)))


def test_segments_hold_no_pickles_and_never_change(begun: Path):
    early = {name: data for name, data in contents(begun).items() if name.startswith("segment")}
    for name in early:
        with np.load(begun / name, allow_pickle=False) as file:
            assert all(file[key].dtype.kind in "fiu" for key in file.files)
    run_in(begun)
    now = contents(begun)
    assert {name: now[name] for name in early} == early


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x04N."])
def test_what_is_no_segment_is_a_value_error(data: bytes):
    with pytest.raises(ValueError, match=r".+"):
        segment_from(data)


@pytest.mark.parametrize("harm", [flip_a_bit, lambda path: path.write_bytes(path.read_bytes()[:-100])])
def test_a_damaged_segment_is_named_and_can_be_deleted(begun: Path, undisturbed: Chains, harm):
    folder = begun
    victim = folder / listed(folder)[-2]["file"]
    harm(victim)
    before = contents(folder)
    with pytest.raises(MtjfitError, match=rf"{victim.name}: was changed or damaged.* delete this file: the run then"):
        run_in(folder)
    assert contents(folder) == before
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
