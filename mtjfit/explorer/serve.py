"""The server of the explorer: on this machine only, and with nothing fetched from anywhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mtjfit.errors import MtjfitError
from mtjfit.explorer.page import Page
from mtjfit.explorer.state import Explored
from mtjfit.study import Study

__all__ = ["LOOPBACK", "explorer_server", "serve_explorer", "url_of"]

LOOPBACK = "127.0.0.1"
"""The only address that is listened on: other machines cannot reach it."""

_INSTALL = 'the explorer needs panel; install it with: python -m pip install "mtjfit[explore]"'


def explorer_server(study: Study, port: int = 0) -> Any:
    """A bokeh server, bound but not running.

    Parameters
    ----------
    port : int
        0: any that is free.

    Raises
    ------
    MtjfitError
        panel is not installed, or the port is taken.
    """
    try:
        pn = import_module("panel")
    except ImportError:
        raise MtjfitError(_INSTALL) from None
    explored = Explored(study)
    pn.extension()
    logging.getLogger("bokeh").setLevel(logging.ERROR)  # a closed tab is no news
    try:
        return pn.io.server.get_server(
            lambda: Page(explored).view(), port=port, address=LOOPBACK, title="mtjfit explorer", show=False, start=False
        )
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MtjfitError(f"port {port}: cannot be used: {reason}; name another with --port, or none") from error


def url_of(server: Any) -> str:
    """Address of the page. By name, since the server answers no page that was opened under another."""
    return f"http://localhost:{server.port}/"


def serve_explorer(study: Study, port: int, started: Callable[[str], object]) -> None:
    """Serve until Ctrl-C.

    Parameters
    ----------
    port : int
        0: any that is free.
    started : callable
        Called with the address once the server answers.

    Raises
    ------
    MtjfitError
        As `explorer_server`.
    """
    server = explorer_server(study, port)
    server.start()
    server.io_loop.add_callback(lambda: started(url_of(server)))
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
