"""The gate of the explorer: only a browser that was given its address gets in, and no value that it sends does harm."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest

import mtjfit
from mtjfit.explorer import explorer_server

pytest.importorskip("panel", reason="panel is not installed (extra explore)")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@dataclass
class Served:
    """A running server: its gate, and every address that it told."""

    server: Any
    gate: Any
    told: list[str] = field(default_factory=list)

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def ask(self, path: str, **headers: str) -> Any:
        return asyncio.run(self._ask(path, {k.replace("_", "-"): v for k, v in headers.items()}))

    async def _ask(self, path: str, headers: dict[str, str], method: str = "GET") -> Any:
        client = import_module("tornado.simple_httpclient").SimpleAsyncHTTPClient(force_instance=True)
        request = import_module("tornado.httpclient").HTTPRequest(
            f"http://127.0.0.1:{self.server.port}{path}", method, {"Host": self.at} | headers,
            follow_redirects=False, allow_nonstandard_methods=True,
        )  # fmt: skip
        try:
            return await client.fetch(request, raise_error=False)
        finally:
            client.close()

    def let_in(self) -> str:
        """Open an address; the cookie."""
        return str(self.ask("/" + self.gate.url.partition("/?")[2].join(("?", ""))).headers["Set-Cookie"]).split(";")[0]


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    ready, found = threading.Event(), []

    def serve() -> None:
        server = explorer_server(mtjfit.load_study(mtjfit.dataset("thickness-series").study_file))
        found.append(Served(server, server._http.request_callback))
        found[0].gate.told = found[0].told.append
        server.start()
        server.io_loop.add_callback(ready.set)
        server.io_loop.start()
        server.stop()
        server.io_loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(120)
    yield found[0]
    found[0].server.io_loop.add_callback(found[0].server.io_loop.stop)
    thread.join()


def test_an_address_opens_one_browser_once_and_its_cookie_goes_nowhere_else(running: Served) -> None:
    told, n = running.gate.url, len(running.told)
    path = told.partition(running.at)[2]
    opened = running.ask(path)
    assert (opened.code, opened.headers["Location"]) == (303, running.gate.home)
    name, *rules = opened.headers["Set-Cookie"].split("; ")
    assert rules == ["HttpOnly", "SameSite=Strict", f"Path={running.gate.home}"]
    assert running.ask(path).code == 403
    assert running.ask(running.gate.home, Cookie=name).code == 200
    assert running.told[n:] == [running.gate.url] != [told]
    assert name.partition("=")[2] not in running.ask(running.gate.home, Cookie=name).body.decode()


def test_an_address_names_where_it_listens_and_no_name_that_may_lead_to_another_account(running: Served) -> None:
    (listening,) = {"{}:{}".format(*each.getsockname()) for each in running.server._http._sockets.values()}
    assert running.gate.url.startswith(f"http://{listening}/?token=")
    script = f"{running.gate.home}static/js/bokeh.min.js"
    assert running.ask(script, Host=f"localhost:{running.server.port}", **own(running)).code == 200


def test_a_link_from_elsewhere_goes_on_by_itself_so_that_its_browser_sends_the_cookie(running: Served) -> None:
    opened = running.ask(running.gate.url.partition(running.at)[2], Sec_Fetch_Site="cross-site")
    assert opened.code == 200
    assert f'content="0; url={running.gate.home}"' in opened.body.decode()
    assert "Set-Cookie" in opened.headers


STRANGERS: dict[str, Callable[[Served], dict[str, str]]] = {
    "no cookie": lambda s: {},
    "a wrong cookie": lambda s: {"Cookie": "mtjfit-explorer=" + "x" * 43},
    "an empty cookie": lambda s: {"Cookie": "mtjfit-explorer="},
    "a cookie beyond ASCII": lambda s: {"Cookie": "mtjfit-explorer=\xff"},
    "a name that was rebound": lambda s: own(s) | {"Host": f"evil.example:{s.server.port}"},
    "such a name and its origin": lambda s: (
        own(s) | {"Host": f"evil.example:{s.server.port}", "Origin": f"http://evil.example:{s.server.port}"}
    ),
    "another port": lambda s: own(s) | {"Host": "127.0.0.1:1"},
    "no port": lambda s: own(s) | {"Host": "127.0.0.1"},
    "no host": lambda s: own(s) | {"Host": ""},
    "a host that begins like it": lambda s: own(s) | {"Host": f"{s.at}.evil.example"},
    "another origin": lambda s: own(s) | {"Origin": "http://evil.example"},
    "an origin without a name": lambda s: own(s) | {"Origin": "null"},
    "another port as origin": lambda s: own(s) | {"Origin": "http://127.0.0.1:1"},
    "https": lambda s: own(s) | {"Origin": f"https://{s.at}"},
    "a page elsewhere": lambda s: own(s) | {"Sec-Fetch-Site": "cross-site"},
    "a page of another port": lambda s: own(s) | {"Sec-Fetch-Site": "same-site"},
}
COOKIES: dict[int, str] = {}


def own(served: Served) -> dict[str, str]:
    """Headers of a browser that was let in."""
    if served.server.port not in COOKIES:
        COOKIES[served.server.port] = served.let_in()
    return {"Cookie": COOKIES[served.server.port]}


async def websocket(served: Served, headers: dict[str, str], session: str = "x") -> Any:
    request = import_module("tornado.httpclient").HTTPRequest(
        f"ws://127.0.0.1:{served.server.port}{served.gate.home}ws",
        headers={"Host": served.at, "Sec-WebSocket-Protocol": f"bokeh, {session}"} | headers,
    )
    return await import_module("tornado.websocket").websocket_connect(request)


@pytest.mark.parametrize("who", STRANGERS)
def test_no_route_answers_a_stranger(who: str, running: Served) -> None:
    headers, home = STRANGERS[who](running), running.gate.home
    for path in (home, f"{home}static/js/bokeh.min.js", f"{home}favicon.ico", f"{home}components/this/a/b/c", "/"):
        found = asyncio.run(running._ask(path, headers))
        assert (found.code, b"mtjfit explore" in found.body) == (403, True), path
    with pytest.raises(import_module("tornado.httpclient").HTTPClientError, match="403"):
        asyncio.run(websocket(running, headers))
    if "Host" in headers or "Origin" in headers:
        told = running.gate.url
        assert asyncio.run(running._ask(told.partition(running.at)[2], headers)).code == 403
        assert running.gate.url == told  # which a stranger cannot use up


def test_sabotage_without_the_gate_every_stranger_is_answered(running: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.server._http, "request_callback", running.server._tornado)
    for who in STRANGERS:
        assert asyncio.run(running._ask(running.gate.home, STRANGERS[who](running))).code == 200


@pytest.mark.parametrize("part", [
    "components/this/a/b/c", "components/venv.__main__/a/b/c", "autoload.js?bokeh-autoload-element=x", "metadata",
    "static/extensions/other/x.js", "static/../components/this/a/b/c", "static/extensions/panel/../../../etc/passwd",
    "static/js/..%2f..%2f..%2fserver/server.py", "rest/session_info", "admin", "ws/", "//", "%2e%2e/", "login",
])  # fmt: skip
def test_only_what_the_page_needs_is_answered_and_nothing_imported(
    part: str, running: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    answered = running.ask(running.gate.home + part, **own(running))
    assert answered.code in (403, 404)
    assert b"Traceback" not in answered.body
    assert capfd.readouterr() == ("", "")  # the module `this` would speak


def test_other_methods_and_files_of_the_page(running: Served) -> None:
    page = running.ask(running.gate.home, **own(running)).body.decode()
    files = re.findall(r'(?:src|href)="\.?/?((?:static|favicon)[^"]+)"', page)
    assert len(files) > 4
    assert [running.ask(running.gate.home + each, **own(running)).code for each in files] == [200] * len(files)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE"):
        assert asyncio.run(running._ask(running.gate.home, own(running), method)).code == 405


class Session:
    """A page as its browser has it, by the protocol of bokeh."""

    def __init__(self, socket: Any):
        self.socket, self.heard = socket, []

    async def receive(self) -> tuple[dict[str, Any], str]:
        head = json.loads(await asyncio.wait_for(self.socket.read_message(), 60))
        await self.socket.read_message()
        body = await self.socket.read_message()
        for _ in range(2 * head.get("num_buffers", 0)):
            await self.socket.read_message()
        return head, body

    async def ask(self, kind: str, content: object) -> tuple[str, str]:
        """Type and body of the answer; what came in between is kept."""
        for part in ({"msgid": "me", "msgtype": kind}, {}, content):
            await self.socket.write_message(json.dumps(part))
        while True:
            head, body = await self.receive()
            if head.get("reqid") == "me":
                return head["msgtype"], body
            self.heard.append(body)

    async def put(self, model: str, attribute: str, value: object) -> str:
        event = {"kind": "ModelChanged", "model": {"id": model}, "attr": attribute, "new": value}
        answer, _ = await self.ask("PATCH-DOC", {"events": [event]})
        await asyncio.sleep(0.15)  # panel waits for further values
        return answer

    async def controls(self) -> dict[str, list[str]]:
        """Ids of the models of the page by their type."""
        _, body = await self.ask("PULL-DOC-REQ", {})
        return {
            kind: re.findall(rf'"type":"object","name":"{kind}","id":"([^"]+)"', body)
            for kind in ("Slider", "CheckboxGroup", "panel.models.widgets.CustomSelect")
        }


def not_a_number(which: str) -> dict[str, str]:
    return {"type": "number", "value": which}


VALUES: dict[str, list[object]] = {
    "Slider": [1e308, -400, 400, 0, not_a_number("nan"), not_a_number("+inf"), 10**400, "x", None, [1]],
    "CheckboxGroup": [[99], [-1], [0, 0], list(range(9)), ["a"], None],
    "panel.models.widgets.CustomSelect": ["zzz", "", None, 3, ["a"]],
}


async def harmed(served: Served) -> list[str]:
    """Send every strange value to every control; what the page then shows as its numbers."""
    headers = own(served) | {"Origin": f"http://{served.at}"}
    page = (await served._ask(served.gate.home, own(served))).body.decode()
    session = Session(await websocket(served, headers, re.findall(r'"token":"([^"]+)"', page)[0]))
    await session.receive()
    controls = await session.controls()
    assert [len(each) for each in controls.values()] == [9, 1, 1]
    for kind, models in controls.items():
        for model in models[:: 4 if kind == "Slider" else 1]:
            for value in VALUES[kind]:
                await session.put(model, "active" if kind == "CheckboxGroup" else "value", value)
    assert await session.put(controls["Slider"][0], "value", 0.5) == "OK"  # the page goes on
    session.heard.clear()
    await session.put(controls["Slider"][0], "value", 0.75)
    await session.ask("PULL-DOC-REQ", {})
    session.socket.close()
    return session.heard


def test_values_of_no_control_are_clamped_or_refused_without_a_traceback(
    running: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    heard = " ".join(asyncio.run(harmed(running)))
    assert "degrees of freedom" in heard
    assert "NaN" not in heard
    assert "nan nm" not in heard
    assert capfd.readouterr() == ("", "")
