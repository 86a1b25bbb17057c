"""Draw the pictures of the pages anew: ``.venv/bin/python docs/pictures.py``.

The explorer is drawn where mtjfit's extra ``explore``, playwright and a Chromium are installed, and else left as it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import gallery
import matplotlib.pyplot as plt
import numpy as np

import mtjfit
from mtjfit.physics import kappa
from mtjfit.plot import plot_torque
from mtjfit.plot.style import OKABE_ITO, style

HERE = Path(__file__).resolve().parent
BROWSERS = "chromium", "chromium-browser", "google-chrome", "chrome"


def demo(file: Path) -> None:
    """The bundled series with its fit and predictive bands."""
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    figure = plot_torque(mtjfit.fit(study), mtjfit.sample(study))
    with style():
        figure.savefig(file, dpi=110, metadata={})


def declarations(file: Path) -> None:
    """What a study file says of a table: quantity, normalisation, axis and unit, a panel each."""
    par, perp = OKABE_ITO["blue"], OKABE_ITO["vermillion"]
    V, d = np.linspace(-0.5, 0.5, 101), np.linspace(0.3, 4.0, 101)
    torque = kappa(1.5, 1.0, 1.0, 10.0, 1.0) * (V + 0.8j * V**2)
    with style():
        figure, axes = plt.subplots(1, 5, figsize=(8.6, 1.9), layout="constrained")
        for ax, drawn, label in ((axes[0], torque, "T"), (axes[1], np.gradient(torque, V), "dT/dV")):
            ax.plot(V, drawn.real, color=par, label="T$_\\parallel$")
            ax.plot(V, drawn.imag, color=perp, label="T$_\\perp$")
            ax.axhline(0, color="0.8", lw=0.5, zorder=0)
            ax.set(xlabel="bias (V)", title=f'quantity = "{"torque" if label == "T" else "torkance"}"', ylabel=label)
            ax.set_yticks([])
        axes[0].legend(frameon=False, loc="upper left")
        size = np.abs(kappa(d, 1.0, 1.0, 10.0, 1.0))
        axes[2].plot(d, size / size.max(), color=OKABE_ITO["green"])
        axes[2].plot(d, size / d / (size / d).max(), color=OKABE_ITO["purple"])
        axes[2].text(4.0, 0.86, '"device", "area"', ha="right", va="top", color=OKABE_ITO["green"])
        axes[2].text(4.0, 0.48, '"volume": with 1/d', ha="right", va="bottom", color=OKABE_ITO["purple"])
        axes[2].set(xlabel="thickness (nm)", ylabel="|T| at one bias", title="per", yticks=[], ylim=(0, 1.1))
        ax = axes[3]
        for angle, name in ((0, "P"), (60, "M")):
            x, y = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
            ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "lw": 1.2})
            ax.text(1.12 * x, 1.12 * y, name, ha="center", va="center", weight="bold")
        ax.text(-0.1, -0.45, "⊗  M × P, into the page:", color=perp)
        ax.text(-0.1, -0.68, '     perp_axis = "MxP"', color=perp)
        ax.text(-0.1, -1.0, "⊙  P × M, out of the page:", color="0.35")
        ax.text(-0.1, -1.23, '     perp_axis = "PxM"', color="0.35")
        ax.set(xlim=(-0.2, 1.5), ylim=(-1.35, 1.15), title="perp_axis")
        ax.set_axis_off()
        ax = axes[4]
        ax.bar([0], [1.0], width=0.5, color=OKABE_ITO["sky"])
        ax.set(ylim=(0, 1.25), xlim=(-0.6, 0.6), xticks=[], ylabel="ħ/2e kΩ$^{-1}$", title="units: one torkance")
        right = ax.secondary_yaxis("right", functions=(lambda y: 3.291 * y, lambda y: y / 3.291))
        right.set_ylabel("10$^{-19}$ N m/V")
        figure.savefig(file, dpi=110, metadata={})
        plt.close(figure)


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
    gallery.draw()
    demo(HERE / "demo.png")
    declarations(HERE / "declarations.png")
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    try:
        if browser is not None:
            explorer(HERE / "explorer.png", browser)
    except ImportError as error:
        sys.exit(f"explorer.png is left as it is: {error.name} is not installed")


if __name__ == "__main__":
    main()
