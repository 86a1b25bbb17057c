"""The explorer as a page: served to this machine only, in a real browser, by keyboard, with no request to outside."""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click
import numpy as np
import pytest

import mtjfit
from mtjfit.data import Origin
from mtjfit.errors import MtjfitError
from mtjfit.explorer import ExploredStudy, agreement, explorer_server
from mtjfit.explorer.command import explore_command
from mtjfit.explorer.gate import forwarding

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOSTILE = '<img src=x onerror="document.title=666">'
COMMAND = "from mtjfit.explorer.command import explore_command; explore_command()"
SECONDS = 20_000  # ms; a first page takes three seconds on an idle machine


def missing(*modules: str) -> list[str]:
    return [name for name in modules if importlib.util.find_spec(name) is None]


def browser() -> str | None:
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


needs_panel = pytest.mark.skipif(bool(missing("panel")), reason="panel is not installed (extra explore)")
needs_browser = pytest.mark.skipif(
    bool(missing("panel", "playwright")) or browser() is None,
    reason=f"needs {', '.join(missing('panel', 'playwright')) or 'a Chromium'}, which is not installed",
)


def hostile_study() -> mtjfit.Study:
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    names = [HOSTILE, "$$x_1$$", "c", "d", "e"]
    curves = tuple(
        replace(curve, device=name, origin=Origin("reconstruction", HOSTILE))
        for name, curve in zip(names, study.curves, strict=True)
    )
    return study.replace(name=HOSTILE, curves=curves)


@needs_panel
def test_the_server_listens_on_the_loopback_address_only():
    server = explorer_server(hostile_study())
    try:
        bound = [each.getsockname() for each in server._http._sockets.values()]
        assert [address for address, _ in bound] == ["127.0.0.1"]
        assert bound[0][1] == server.port > 0
        if sys.platform == "linux":  # where every 127.x.x.x is this machine
            with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", server.port), 5):
                pass
    finally:
        server.stop()


@needs_panel
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # tornado leaves its socket open
def test_a_port_that_is_taken_is_said():
    server = explorer_server(hostile_study())
    try:
        with pytest.raises(MtjfitError, match=f"port {server.port}: cannot be used"):
            explorer_server(hostile_study(), server.port)
        gc.collect()
    finally:
        server.stop()


@needs_panel
def test_events_change_the_numbers_of_the_figures_in_place():
    page = import_module("mtjfit.explorer.page").Page(ExploredStudy(hostile_study()))
    page.view()
    torque, kappa = page.figures.sources["torque"], page.figures.sources["kappa"]
    before = np.array(torque.data["par"]), np.array(kappa.data["perp"]), page.facts.object
    page.sliders["lambda_J"].value = 0.0
    assert page.state.values["lambda_J"] == 1.0
    assert not np.allclose(before[0], torque.data["par"])
    assert not np.allclose(before[1], kappa.data["perp"])
    assert page.facts.object != before[2]
    page.fit()
    assert agreement(page.state, ExploredStudy(hostile_study())).chi2 < 450
    assert 10 ** page.sliders["lambda_phi"].value == pytest.approx(page.state.values["lambda_phi"])
    page.device.value = "e"
    assert page.sliders["d"].value == pytest.approx(page.state.values["thickness[e]"])
    page.held.value = ["lambda_J"]
    assert page.state.held == {"lambda_J"}
    assert "<img" not in page.facts.object


@contextmanager
def served(command: list[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A program that serves a page: the address that it prints, and the process."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield address(process), process
    finally:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    """The next address that a program prints; each opens one browser."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/\S+", line)
    assert found, line + process.communicate(timeout=20)[1]
    return found[0]


class Visit:
    """A page in Chromium, and every address that it asked for."""

    def __init__(self, chromium: Any, url: str, width: int):
        self.page = chromium.new_page(viewport={"width": width, "height": 900})
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.goto(url)
        self.page.get_by_text("degrees of freedom").wait_for(timeout=SECONDS)
        self.page.locator("canvas").nth(3).wait_for(state="attached", timeout=SECONDS)

    def outside(self, url: str) -> list[str]:
        """Addresses that are neither this server's nor contained in the page."""
        here = url.removeprefix("http://").partition("?")[0]
        own = (f"http://{here}", f"ws://{here}", "data:", "blob:")
        return [each for each in self.asked if not each.startswith(own)]

    def says(self) -> str:
        return str(self.page.get_by_role("status").first.inner_text())

    def changes(self, said: str) -> str:
        """What it says next."""
        for _ in range(100):
            if self.says() != said:
                return self.says()
            self.page.wait_for_timeout(50)
        raise AssertionError("nothing changed")


@pytest.mark.slow
@needs_browser
def test_in_a_browser_by_keyboard_with_no_request_to_outside():
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-c", COMMAND, "--no-browser"]
    with served(command) as (url, process), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        visit = Visit(chromium, url, 1280)
        page = visit.page
        assert page.get_by_text("SIMULATED, not measured").first.is_visible()
        pictures = page.get_by_role("img").all()
        assert [each.get_attribute("aria-label").split()[0] for each in pictures] == [
            "In-plane",
            "Out-of-plane",
            "κ",
            "Spin",
        ]
        said, before = visit.says(), [each.screenshot() for each in pictures]
        slider = page.get_by_role("slider", name="λ_φ, dephasing (nm)")
        assert slider.get_attribute("aria-valuetext") == "3.16"
        slider.focus()
        page.keyboard.press("ArrowLeft")
        moved = visit.changes(said)
        page.wait_for_timeout(300)
        assert all(each.screenshot() != old for each, old in zip(pictures, before, strict=True))
        assert slider.get_attribute("aria-valuetext") == "3.09"
        page.get_by_role("button", name="Fit from here").focus()
        page.keyboard.press("Enter")
        fitted = visit.changes(moved)
        assert "p = 0.68" in fitted
        with page.expect_download() as download:
            page.get_by_text("Export study.toml").click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert "\nlambda_J    = { prior" in text
        narrow = Visit(chromium, address(process), 400)
        for each in (visit, narrow):
            assert each.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert each.outside(url) == []
            assert each.errors == []
            assert len(each.asked) > 5  # the log is not deaf
        assert visit.outside("http://elsewhere/") != []
        chromium.close()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out.splitlines()[-1]) == (0, "Stopped."), err


@pytest.mark.slow
@needs_browser
def test_a_page_opened_from_a_file_is_let_in_and_stays_so_when_it_is_loaded_again(tmp_path: Path):
    from playwright.sync_api import sync_playwright

    with served([sys.executable, "-c", COMMAND, "--no-browser"]) as (url, process), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        (tmp_path / "page.html").write_text(forwarding(url))
        visit = Visit(chromium, (tmp_path / "page.html").as_uri(), 1280)
        visit.page.reload()
        visit.page.get_by_text("degrees of freedom").wait_for(timeout=SECONDS)
        assert "token" not in visit.page.url
        assert visit.page.evaluate("document.cookie") == ""
        assert [each for each in visit.outside(url) if not each.startswith("file:")] == []
        again = chromium.new_page().goto(url)
        assert again is not None
        assert again.status == 403
        assert address(process) != url
        chromium.close()


@pytest.mark.parametrize("asked", [True, False])
def test_the_browser_gets_the_address_in_a_file_that_only_its_user_reads(
    asked: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    opened, read = [], []

    def serve(study: object, port: int, started: Callable[[str], object]) -> None:
        for url in ("http://127.0.0.1:1/?token=one", "http://127.0.0.1:1/?token=two"):
            started(url)
            if asked and not read:
                page = Path(url2pathname(urlsplit(opened.pop()).path))
                read.append((page.read_text(encoding="utf-8"), page.parent.stat().st_mode & 0o77))

    monkeypatch.setattr(mtjfit.explorer, "serve_explorer", serve)
    monkeypatch.setattr(click, "launch", opened.append)
    explore_command([] if asked else ["--no-browser"], standalone_mode=False)
    assert capsys.readouterr().out.count("Explorer: http://127.0.0.1:1/?token=") == 2
    assert opened == []
    if asked:
        ((page, others),) = read
        assert "url=http://127.0.0.1:1/?token=one" in page
        assert others == 0 or os.name == "nt"


FOCUSED = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) { element = element.shadowRoot.activeElement; }
  const style = getComputedStyle(element), text = element.closest("label")?.textContent ?? element.textContent;
  return [element.getAttribute("aria-label") || element.labels?.[0]?.textContent.trim() || text.trim(),
          style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0];
}"""


@pytest.mark.slow
@needs_browser
def test_every_control_is_reached_by_tab_named_and_seen_to_be_so():
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-c", COMMAND, "--no-browser"]
    with served(command) as (url, _), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        visit = Visit(chromium, url, 1280)
        reached = []
        for _ in range(25):
            visit.page.keyboard.press("Tab")
            reached.append(visit.page.evaluate(FOCUSED))
        names = [name for name, _ in reached]
        assert visit.page.get_by_role("group", name="Held by fits, fixed in exports").count() == 1
        wanted = ["Device", "λ_J, precession (nm)", "D_F/D_N", "d, thickness of this device (nm)",
                  "b₂ [(ħ/2e) kΩ⁻¹ V⁻¹]", "λ_sf^F", "Fit from here", "Back to the start", "Export study.toml",
                  "In-plane torkance against bias: data and model"]  # fmt: skip
        assert [name for name in names if name in wanted] == [
            *wanted[:2], "D_F/D_N", *wanted[3:5], "λ_sf^F", "D_F/D_N", *wanted[6:]
        ]  # fmt: skip
        assert all(names[: names.index(wanted[-1])])
        assert [name for name, outlined in reached[: names.index("Fit from here") + 3] if not outlined] == []
        chromium.close()


@pytest.mark.slow
@needs_browser
def test_hostile_names_stay_text():
    from playwright.sync_api import sync_playwright

    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_explorer_page import hostile_study\n"
        "from mtjfit.explorer import serve_explorer\n"
        "serve_explorer(hostile_study(), 0, lambda url: print(url, flush=True))"
    )
    with served([sys.executable, "-c", program]) as (url, _), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        visit = Visit(chromium, url, 1280)
        assert visit.page.get_by_text(HOSTILE).first.is_visible()
        visit.page.get_by_label("Device", exact=True).select_option("$$x_1$$")
        visit.page.get_by_text("$$x_1$$: d = ").wait_for(timeout=SECONDS)
        assert visit.page.title() == "mtjfit explorer"
        visit.page.reload()
        visit.page.get_by_text("degrees of freedom").wait_for(timeout=SECONDS)
        assert (visit.outside(url), visit.errors) == ([], [])
        assert not any(each.endswith("/x") for each in visit.asked)
        chromium.close()
