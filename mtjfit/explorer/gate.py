"""The gate of the explorer: it lets in one browser for each address that was told, and nobody else.

A port of the loopback address is open to every account of the computer, and to every web page in a browser there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Any

_ROUTES = ("", "ws", "favicon.ico")
_FILES = ("static/js/", "static/extensions/panel/")
_COOKIE = "mtjfit-explorer"
_CLOSED = (
    "This address does not open the explorer. Use the address that mtjfit explore printed last: "
    "each of them opens one browser, once."
)


class Gate:
    """Answers a request itself, or hands it to the application, a function of it, if it comes from a known browser.

    Host and Origin must be the own loopback address and port. `url` holds a token that is good for one use; then there
    is a new one, of which `told` is told. Who gave it gets a cookie, which is sent to no other port, because it belongs
    to the path `home` that nobody else knows; below it only what the page needs is answered.
    """

    def __init__(self, application: Callable[[Any], object], port: int, home: str):
        self._application, self.home = application, f"/{home}/"
        self._hosts = tuple(f"{name}{f':{port}' if port != 80 else ''}" for name in ("127.0.0.1", "localhost"))
        self._session, self._token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.told: Callable[[str], object] = lambda url: None

    @property
    def url(self) -> str:
        """Address that opens the page in one browser.

        By number: a browser may take the name localhost for ::1, where another account can listen at the same port.
        """
        return f"http://{self._hosts[0]}/?token={self._token}"

    def __call__(self, request: Any) -> None:
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if host not in self._hosts or origin not in (None, f"http://{host}"):
            return _answer(request, 403, "Forbidden", _CLOSED)
        if request.method not in ("GET", "HEAD"):
            return _answer(request, 405, "Method Not Allowed", "The explorer only answers GET.")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if request.path == "/" and request.method == "GET" and _same(request.arguments.get("token"), self._token):
            return self._let_in(request, site)
        cookie = request.cookies.get(_COOKIE)
        if site not in ("none", "same-origin") or cookie is None or not _same([cookie.value.encode()], self._session):
            return _answer(request, 403, "Forbidden", _CLOSED)
        below = request.path.removeprefix(self.home)
        if below == request.path or (below not in _ROUTES and not below.startswith(_FILES)):
            return _answer(request, 404, "Not Found", "There is no such part of the explorer.")
        if below == "favicon.ico":
            request.path = "/favicon.ico"  # which bokeh answers without the path of the page only
        self._application(request)
        return None

    def _let_in(self, request: Any, site: str) -> None:
        self._token = secrets.token_urlsafe(32)
        cookie = f"{_COOKIE}={self._session}; HttpOnly; SameSite=Strict; Path={self.home}"
        if site in ("none", "same-origin"):
            _answer(request, 303, "See Other", "", {"Set-Cookie": cookie, "Location": self.home})
        else:  # a redirection after a link from elsewhere would come without the cookie
            _answer(request, 200, "OK", forwarding(self.home), {"Set-Cookie": cookie})
        self.told(self.url)


def _same(given: list[bytes] | None, secret: str) -> bool:
    return given is not None and len(given) == 1 and secrets.compare_digest(given[0], secret.encode())


def forwarding(url: str) -> str:
    """A page that goes on to an address."""
    return f'<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(url)}">'


def _answer(request: Any, code: int, reason: str, body: str, headers: dict[str, str] | None = None) -> None:
    tornado, content = import_module("tornado.httputil"), body.encode()
    fields = {
        "Content-Type": "text/html; charset=utf-8" if body.startswith("<") else "text/plain; charset=utf-8",
        "Content-Length": str(len(content)), "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff", **(headers or {}),
    }  # fmt: skip
    start = tornado.ResponseStartLine("HTTP/1.1", code, reason)
    request.connection.write_headers(start, tornado.HTTPHeaders(fields), b"" if request.method == "HEAD" else content)
    request.connection.finish()
