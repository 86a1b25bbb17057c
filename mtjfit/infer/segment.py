"""One piece of a run as bytes: a block and the stage after it, plain arrays without pickles."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

from mtjfit.infer.ensemble import Block, RandomState, Stage, Walkers
from mtjfit.infer.mixture import Mixture

__all__ = ["no_steps", "segment_bytes", "segment_from"]

_GENERATOR = "MT19937"


def no_steps(stage: Stage) -> Block:
    """An empty block, to save a stage with."""
    n_walkers, size = stage.walkers[0].coords.shape
    shape = (len(stage.walkers), 0, n_walkers)
    return Block(np.zeros((*shape, size)), np.zeros(shape))


def segment_bytes(block: Block, stage: Stage) -> bytes:
    """An uncompressed ``.npz`` file; the same bytes for the same numbers.

    Raises
    ------
    ValueError
        The random state is of another generator than emcee's.
    """
    states = [one.random_state for one in stage.walkers]
    if any(state[0] != _GENERATOR for state in states):
        raise ValueError(f"random states must be of {_GENERATOR}, the generator of emcee")
    arrays: dict[str, Any] = _arrays("jump", stage.jump) | _arrays("wide", stage.wide)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        theta=block.theta,
        log_posterior=block.log_posterior,
        coords=np.array([one.coords for one in stage.walkers]),
        coords_log_posterior=np.array([one.log_posterior for one in stage.walkers]),
        random_keys=np.array([state[1] for state in states], dtype=np.uint32),
        random_position=np.array([state[2] for state in states], dtype=np.int64),
        random_has_gauss=np.array([state[3] for state in states], dtype=np.int64),
        random_gauss=np.array([state[4] for state in states], dtype=np.float64),
        n_refits=np.array(stage.n_refits, dtype=np.int64),
        **arrays,
    )
    return buffer.getvalue()


def _arrays(name: str, jump: Mixture) -> dict[str, np.ndarray]:
    return {f"{name}_weights": jump.weights, f"{name}_centres": jump.centres, f"{name}_roots": jump.roots}


def segment_from(data: bytes) -> tuple[Block, Stage]:
    """The block and the stage after it, to the last bit as they were.

    Raises
    ------
    ValueError
        The bytes are no segment.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        walkers = tuple(
            Walkers(coords, arrays["coords_log_posterior"][k], _random_state(arrays, k))
            for k, coords in enumerate(arrays["coords"])
        )
        stage = Stage(_jump(arrays, "jump"), _jump(arrays, "wide"), walkers, int(arrays["n_refits"]))
        return Block(arrays["theta"], arrays["log_posterior"]), stage
    except (KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"no segment of a run: {error}") from error


def _jump(arrays: dict[str, np.ndarray], name: str) -> Mixture:
    return Mixture(arrays[f"{name}_weights"], arrays[f"{name}_centres"], arrays[f"{name}_roots"])


def _random_state(arrays: dict[str, np.ndarray], k: int) -> RandomState:
    position, has_gauss = int(arrays["random_position"][k]), int(arrays["random_has_gauss"][k])
    return _GENERATOR, arrays["random_keys"][k], position, has_gauss, float(arrays["random_gauss"][k])
