"""Figures in a window or under the cell of a notebook, when they are asked for: pyplot is imported here alone.

Figures are made without pyplot, which would keep each one until it is closed.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, cast

import matplotlib as mpl
from matplotlib.figure import Figure


def has_windows() -> bool:
    """True if matplotlib's backend opens windows, or draws live figures in a notebook."""
    from matplotlib.backends.registry import backend_registry

    return cast(Any, backend_registry).resolve_backend(mpl.get_backend())[1] is not None


def interactive_windows() -> bool:
    """True if figures of pyplot open their windows by themselves; pyplot stays as it is, not imported if it was not."""
    return "matplotlib.pyplot" in sys.modules and mpl.is_interactive() and has_windows()


def open_window(fig: Figure) -> None:
    """Give a figure to pyplot, and show it.

    From then on it is pyplot's current one, `plt.show()` waits until it is closed, and `plt.close` closes it.
    """
    import matplotlib.pyplot as plt

    held = [plt.figure(number) for number in plt.get_fignums()]
    if fig in held:
        plt.figure(fig)
    else:  # new, or closed before
        plt.figure(FigureClass=cast(Any, lambda *_, **__: fig))
    manager = fig.canvas.manager
    assert manager is not None  # noqa: S101 - pyplot has just made it
    manager.show()


def show_in_notebook(fig: Figure) -> bool:
    """Show a figure below the cell that runs; False if no notebook does."""
    ipython = cast(Any, sys.modules.get("IPython"))
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return False
    ipython.display.display(fig)
    return True


def warn_of_no_window() -> None:
    """Say why nothing is to be seen, and what to do."""
    warnings.warn(
        f"matplotlib's backend {mpl.get_backend()!r} opens no windows: save the figure with "
        'fig.savefig("figure.pdf"), or choose another backend, such as matplotlib.use("TkAgg")',
        stacklevel=3,
    )
