"""The server of the explorer, on the loopback address of this machine and behind a gate."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mtjfit.errors import MtjfitError
from mtjfit.explorer.gate import Gate
from mtjfit.explorer.page import Page
from mtjfit.explorer.state import ExploredStudy
from mtjfit.study import Study

LOOPBACK = "127.0.0.1"
"""The only address that is listened on: other machines cannot reach it."""

_INSTALL = 'the explorer needs panel; install it with: python -m pip install "mtjfit[explore]"'
_MOST = 1 << 16  # bytes of the body of a request: none has one


def explorer_server(study: Study, port: int = 0) -> Any:
    """A bokeh server, bound to a port (0: any free one) but not running.

    Raises
    ------
    MtjfitError
        panel is not installed, or the port is taken.
    """
    try:
        pn = import_module("panel")
    except ImportError:
        raise MtjfitError(_INSTALL) from None
    explored = ExploredStudy(study)
    pn.extension()
    for name in (
        "bokeh",
        "panel",
        "tornado",
        "param",
        "asyncio",
    ):  # their words on closed tabs and strange messages are no news
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    home = secrets.token_urlsafe(16)
    try:
        server = pn.io.server.get_server(
            lambda: Page(explored).view(), port=port, address=LOOPBACK, title="mtjfit explorer", show=False,
            start=False, location=False, prefix=home, include_headers=[], include_cookies=[],
            http_server_kwargs={"max_body_size": _MOST},
        )  # fmt: skip
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MtjfitError(f"port {port}: cannot be used: {reason}; name another with --port, or none") from error
    server._http.request_callback = Gate(server._http.request_callback, server.port, home)
    return server


def gate_of(server: Any) -> Gate:
    """The gate of a server, which knows the address of the page."""
    gate: Gate = server._http.request_callback
    return gate


def serve_explorer(study: Study, port: int, started: Callable[[str], object]) -> None:
    """Serve until Ctrl-C; `started` gets an address of the page once the server answers, and a new one after each use.

    Errors as of `explorer_server`.
    """
    server = explorer_server(study, port)
    gate = gate_of(server)
    gate.told = started
    server.start()
    server.io_loop.add_callback(lambda: started(gate.url))
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
