"""Draw the pictures of the pages anew: ``.venv/bin/python docs/pictures.py``.

The explorer is drawn where mtjfit's extra ``explore``, playwright and a Chromium are installed, and else left as it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import mtjfit
from mtjfit.plot import plot_torque
from mtjfit.plot.style import style

HERE = Path(__file__).resolve().parent
BROWSERS = "chromium", "chromium-browser", "google-chrome", "chrome"


def demo(file: Path) -> None:
    """The bundled series with its fit and predictive bands."""
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    figure = plot_torque(mtjfit.fit(study), mtjfit.sample(study))
    with style():
        figure.savefig(file, dpi=110, metadata={})


def explorer(file: Path, browser: str) -> None:
    """The page of ``mtjfit explore`` after a fit, in a window of 1280 by 750 pixels."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-u", "-m", "mtjfit", "explore", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:  # noqa: S603
        try:
            url = re.findall(r"http://\S+", server.stdout.readline())[0]
            chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1280, "height": 750})
            page.goto(url)
            page.get_by_text("F0.8nm: d = 0.800 nm").wait_for()
            page.get_by_role("button", name="Fit from here").click()
            page.get_by_text("p = 0.68").wait_for()
            page.wait_for_timeout(1000)
            page.screenshot(path=file)
            chromium.close()
        finally:
            server.terminate()


def main() -> None:
    demo(HERE / "demo.png")
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    try:
        if browser is not None:
            explorer(HERE / "explorer.png", browser)
    except ImportError as error:
        sys.exit(f"explorer.png is left as it is: {error.name} is not installed")


if __name__ == "__main__":
    main()
