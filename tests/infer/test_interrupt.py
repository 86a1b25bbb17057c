"""Ctrl-C: the first lets the block finish, the second stops at once, and without a journal nothing is different."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from journal_runs import STUDY, Bell, contents, run, run_in, same

from mtjfit.infer import Chains, judge, open_journal, saved_steps
from mtjfit.interrupts import Interrupted, graceful_interrupt, signals_postponed


@pytest.fixture(autouse=True)
def _as_in_a_terminal() -> Iterator[None]:
    """The handler that Python begins with; runners of tests may have changed it. Left behind as it was found."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


class Presses(Bell):
    """Ctrl-C is pressed while the posterior is computed for the n-th time."""

    def __init__(self, *at: int, kind: signal.Signals = signal.SIGINT):
        super().__init__()
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "calls", 0)

    def log_posterior(self, theta: np.ndarray) -> np.ndarray:
        object.__setattr__(self, "calls", self.calls + 1)
        if self.calls in self.at:
            signal.raise_signal(self.kind)
        return super().log_posterior(theta)


def test_the_first_finishes_the_block_and_the_run_goes_on_later(begun: Path, undisturbed: Chains, capfd):
    before = contents(begun, "segment*")
    with pytest.raises(Interrupted):
        run_in(begun, target=Presses(3))
    assert "Ctrl-C: finishing this block and saving it; press Ctrl-C again to stop at once." in capfd.readouterr().err
    assert saved_steps(begun) == 35  # of 30 before
    assert not (begun / "lock").exists()
    assert contents(begun).items() >= before.items()
    assert same(run_in(begun), undisturbed)


def test_the_end_of_a_batch_job_is_waited_for_like_it(begun: Path, undisturbed: Chains, capfd):
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(Interrupted):
        run_in(begun, target=Presses(3, kind=signal.SIGTERM))
    assert signal.signal(signal.SIGTERM, before) == signal.SIG_DFL
    assert "Asked to end (SIGTERM): finishing this block and saving it." in capfd.readouterr().err
    assert (saved_steps(begun), (begun / "lock").exists()) == (35, False)
    assert same(run_in(begun), undisturbed)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminal hangs up here")
def test_a_closed_terminal_sends_two_and_loses_no_block(begun: Path, undisturbed: Chains, capfd):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with pytest.raises(Interrupted):
        run_in(begun, target=Presses(3, 4, kind=signal.SIGHUP))
    assert signal.signal(signal.SIGHUP, before) == signal.SIG_DFL
    assert "Asked to end (SIGHUP): finishing this block and saving it." in capfd.readouterr().err
    assert saved_steps(begun) == 35
    assert same(run_in(begun), undisturbed)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signal can be postponed here")
def test_what_is_postponed_is_not_lost():
    done = []

    def postponed() -> None:
        with signals_postponed():
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        postponed()
    assert done


def test_the_second_stops_at_once_and_loses_that_block(begun: Path, undisturbed: Chains):
    target = Presses(3, 4)
    with pytest.raises(KeyboardInterrupt) as stopped:
        run_in(begun, target=target)
    assert not isinstance(stopped.value, Interrupted)
    assert target.calls == 4
    assert saved_steps(begun) == 30
    assert same(run_in(begun), undisturbed)


def test_it_is_not_swallowed_by_the_end_of_the_run(begun: Path, undisturbed: Chains):
    def pressed(chains: Chains, target_ess: float):
        if chains.theta.shape[1] == undisturbed.theta.shape[1]:
            signal.raise_signal(signal.SIGINT)
        return judge(chains, target_ess)

    with pytest.raises(Interrupted):
        run_in(begun, gate=pressed)
    assert same(run_in(begun), undisturbed)


def test_without_a_journal_it_stops_at_once():
    target = Presses(8)
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(target=target)
    assert not isinstance(stopped.value, Interrupted)
    assert target.calls == 8


def test_in_another_thread_no_handler_is_set(tmp_path: Path, undisturbed: Chains):
    found: list[Chains] = []
    thread = threading.Thread(target=lambda: found.append(run_in(tmp_path / "run")))
    thread.start()
    thread.join()
    assert same(found[0], undisturbed)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_a_handler_of_somebody_else_stays(handler: object):
    signal.signal(signal.SIGINT, handler)
    with graceful_interrupt() as asked_to_end:
        assert signal.getsignal(signal.SIGINT) is handler
        signal.raise_signal(signal.SIGINT)
        assert not asked_to_end()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_error_restores_the_handler():
    def fail() -> None:
        with graceful_interrupt():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_no_terminal_to_say_it_to(begun: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stderr", None)
    with open_journal(begun, STUDY) as journal, pytest.raises(Interrupted):
        run(journal, target=Presses(3))


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot send Ctrl-C to a single process")
def test_a_real_signal_to_a_real_process():
    program = """
import time
from mtjfit.interrupts import Interrupted, graceful_interrupt
try:
    with graceful_interrupt() as asked_to_end:
        print("ready", flush=True)
        for _ in range(1000):
            time.sleep(0.01)
            if asked_to_end():
                break
except Interrupted:
    print("saved", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    assert (out, process.returncode) == ("saved\n", 0)
    assert error == "\nCtrl-C: finishing this block and saving it; press Ctrl-C again to stop at once.\n"
