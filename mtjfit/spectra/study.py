"""A study of spectra: options of the fits, devices with their constants, and the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.data.curve import Origin
from mtjfit.errors import ConfigError
from mtjfit.model.residuals import ResidualTests
from mtjfit.spectra.calibration import Constants
from mtjfit.spectra.checks import spectra_problems
from mtjfit.spectra.joint import Sharing
from mtjfit.spectra.kittel import Free, KittelFit
from mtjfit.spectra.orders import OrderTests
from mtjfit.spectra.spectrum import Against, LineModel, Spectrum, line_values
from mtjfit.spectra.sweeps import Sweeps
from mtjfit.spectra.torkance import TorkanceCurve
from mtjfit.text import counted, number, value_with_error

Use = Literal["largest", "lowest", "highest"]


@dataclass(frozen=True)
class LineOptions(ShownAsCard):
    """The model of each spectrum, and what is common to the spectra of a device.

    - `use`: which of several modes torkances are taken from, that with the largest amplitudes on average over the
      device, or with the lowest or highest centre.
    - `centre`, `width`: what biases share, see `mtjfit.spectra.joint.Sharing`.
    - `range`: part of the abscissa to use, Hz or T. `window`: half widths on each side of the lines to use.
    - `kittel`: free parameters of Kittel's formula.
    - `sweeps`: what becomes of a file whose abscissa turns round; None: separate spectra, and a notice.
    - `output`: factor from the voltage as shown to a peak amplitude, √2 for a lock-in amplifier that shows root mean
      squares.
    """

    model: LineModel = field(default_factory=LineModel)
    use: Use = "largest"
    centre: Sharing = "free"
    width: Sharing = "free"
    range: tuple[float, float] | None = None
    window: float | None = None
    kittel: tuple[Free, ...] = ("Meff", "Bk")
    output: float = 1.0
    sweeps: Sweeps | None = None

    @property
    def shares(self) -> bool:
        """Whether spectra of a device have centres or widths in common."""
        return self.centre != "free" or self.width != "free"


@dataclass(frozen=True)
class RowCount:
    """Rows of all files: those `read` are `used`, `outside` of line.range, or `masked` by declaration."""

    read: int = 0
    used: int = 0
    outside: int = 0
    masked: int = 0

    def __add__(self, other: RowCount) -> RowCount:
        return RowCount(
            self.read + other.read, self.used + other.used, self.outside + other.outside, self.masked + other.masked
        )


@dataclass(frozen=True)
class SpectraDevice(ShownAsCard):
    """One device: thickness of its free layer with its tolerance in nm, and its constants.

    Without constants the lines are fitted and nothing is calibrated.
    """

    name: str
    thickness: float | None = None
    thickness_sd: float | None = None
    constants: Constants | None = None


@dataclass(frozen=True, eq=False)
class SpectraStudy(ShownAsCard):
    """A study of spectra as declared, devices in order of appearance.

    `unit` is that of the torkances to write, `text` that of the study file, `files` the sha256 of each file of spectra;
    `origin` says whether they were measured or simulated, `notes` what was detected in files, not declared, `notices`
    what of it a person should look at, and `rows` what became of all rows.

    ConfigError, with every problem, where devices and spectra do not match, or constants do not suffice for torkances.
    """

    name: str
    against: Against
    unit: str
    origin: Origin
    spectra: tuple[Spectrum, ...]
    options: LineOptions
    devices: Mapping[str, SpectraDevice]
    text: str = ""
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    rows: RowCount = RowCount()

    def __post_init__(self) -> None:
        problems = list(spectra_problems(self))
        if problems:
            raise ConfigError(problems)

    @property
    def label(self) -> str:
        """Mark of spectra that were not measured, for plots and tables; empty for measured ones."""
        return self.origin.label

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The one origin that all spectra have."""
        return (self.origin,)

    def moved(self, constant: str, steps: float) -> SpectraStudy:
        """The same study with one constant of all devices that have it moved by so many standard errors.

        ValueError where no device has it.

        Examples
        --------
        >>> from mtjfit.data import Origin
        >>> from mtjfit.spectra import Constant, Constants, Spectrum
        >>> x = np.linspace(4e9, 6e9, 20)
        >>> of_A = Constants(Constant(1e-5), Constant(300.0, 6.0), Constant(1000.0), Constant(1e-17), Constant(1.2))
        >>> study = SpectraStudy("one", "frequency", "hbar/2e/kohm", Origin(), (Spectrum("A", 0.1, "frequency", x, x),),
        ...                      LineOptions(), {"A": SpectraDevice("A", constants=of_A)})
        >>> study.moved("V_thetaI", 1.0).devices["A"].constants.V_thetaI.value
        306.0
        """
        moved = {
            name: replace(each, constants=each.constants.moved(constant, steps))
            for name, each in self.devices.items()
            if each.constants is not None and constant in each.constants.named()
        }
        if not moved:
            raise ValueError(f"no device has the constant {constant!r}")
        return replace(self, devices={**self.devices, **moved})


@dataclass(frozen=True, eq=False)
class SpectrumFit(ShownAsCard):
    """Lines of one spectrum: centre, half_width, s, a, shape (modes,), in SI; their errors, shape (4, modes).

    `errors` are statistical standard errors, `systematic` those of the background: how far one and two orders more
    than declared move the lines beyond what noise explains, all orders down to structure as wide as the line where the
    residuals show any. `sigma` is both in quadrature.

    `tests` and `orders` are tests of the residuals. `used` is False at points outside the window about the lines,
    `mode` the one that torkances are taken from, `noise` the standard deviation of one point in V. `flags` are reasons
    to doubt these lines, usually none. `inflation` is the factor by which statistical errors were raised because
    neighbouring residuals are correlated, 1 where they are not.
    """

    spectrum: Spectrum
    model: LineModel
    used: BoolArray
    centre: FloatArray
    half_width: FloatArray
    s: FloatArray
    a: FloatArray
    errors: FloatArray
    systematic: FloatArray
    background: FloatArray
    mode: int
    noise: float
    tests: ResidualTests
    orders: OrderTests
    flags: tuple[str, ...]
    inflation: float

    def _card(self) -> Card:
        """The lines with their errors, and every reason to doubt them."""
        what = (("centre", self.centre), ("half_width", self.half_width), ("s", self.s), ("a", self.a))
        factor, unit = self.spectrum.shown, self.spectrum.unit
        rows = [
            [f"{name}[{k}]" if values.size > 1 else name, value_with_error(scale * values[k], scale * sigma[k]), shown]
            for (name, values), sigma, scale, shown in zip(
                what, self.sigma, (factor, factor, 1e6, 1e6), (unit, unit, "µV", "µV"), strict=True)
            for k in range(values.size)
        ]  # fmt: skip
        facts = {"points": f"{int(self.used.sum())} of {self.used.size}", "noise": f"{1e6 * self.noise:.3g} µV"}
        return Card(f"SpectrumFit {self.spectrum.name}", [f"FLAGGED: {'; '.join(self.flags)}"] if self.flags else [],
                    facts, header=("line", "value ± error", "unit"), rows=rows)  # fmt: skip

    @property
    def sigma(self) -> FloatArray:
        """Statistical and systematic errors in quadrature, shape (4, modes)."""
        return np.hypot(self.errors, self.systematic)

    def values(self, x: FloatArray) -> FloatArray:
        """Fitted voltage in V at abscissas in Hz or T."""
        span = self.spectrum.x[self.used]
        return line_values(self.model, x, self.centre, self.half_width, self.s, self.a, self.background, span)

    @property
    def residual(self) -> FloatArray:
        """Voltage minus fit, used points only."""
        x = self.spectrum.x[self.used]
        return np.asarray(self.spectrum.voltage[self.used] - self.values(x))


@dataclass(frozen=True)
class SharedFit(ShownAsCard):
    """n spectra fitted together (device, what was held); p of so large a misfit if they share what was declared."""

    name: str
    n: int
    p: float


@dataclass(frozen=True, eq=False)
class Hysteresis(ShownAsCard):
    """Line of the sweeps `first` minus that of the sweeps `second`: centre, half width, s, a, mean background, in SI.

    First are those up and second those down, or the first and the last where all go one way. `p` is the probability of
    so large a difference in any of them if there were none. Without a background there are four values.
    """

    spectrum: Spectrum
    sweeps: int
    first: str
    second: str
    difference: FloatArray
    errors: FloatArray
    p: float


@dataclass(frozen=True, eq=False)
class SpectraResult(ShownAsCard):
    """All fits of a study, in the order of its spectra.

    By device: `kittel` where resonances were seen at enough fields, `curves` where constants were declared, and
    `background_ratio` where V_II was: background at resonance over ¼ V_II I_rf², in the order of its fits. `notices`
    are warnings, `hysteresis` how sweeps over one resonance differ.
    """

    study: SpectraStudy
    fits: tuple[SpectrumFit, ...]
    shared: tuple[SharedFit, ...]
    kittel: Mapping[str, KittelFit]
    curves: Mapping[str, TorkanceCurve]
    background_ratio: Mapping[str, FloatArray]
    notices: tuple[str, ...]
    hysteresis: tuple[Hysteresis, ...] = ()

    def _card(self) -> Card:
        """Devices with their spectra, and the torkance at the bias nearest to zero."""
        rows = []
        for device in dict.fromkeys(fit.spectrum.device for fit in self.fits):
            mine, curve = self.of(device), self.curves.get(device)
            first = "" if curve is None else number(float(curve.par[np.argmin(np.abs(curve.bias))]))
            rows.append([device, str(len(mine)), str(sum(bool(fit.flags) for fit in mine)), first])
        flagged = f"{counted(len(self.flagged), 'spectrum', 'spectra')} FLAGGED" if self.flagged else ""
        return Card(f"SpectraResult of {self.study.name}", [flagged, self.study.label],
                    header=("device", "spectra", "flagged", "dT∥/dV near 0 V (N m/V)"), rows=rows,
                    notes=self.notices)  # fmt: skip

    @property
    def flagged(self) -> tuple[SpectrumFit, ...]:
        """Spectra that their lines do not describe."""
        return tuple(fit for fit in self.fits if fit.flags)

    def of(self, device: str) -> tuple[SpectrumFit, ...]:
        """Fits of one device."""
        return self._by_device.get(device, ())

    @cached_property
    def _by_device(self) -> Mapping[str, tuple[SpectrumFit, ...]]:
        found: dict[str, list[SpectrumFit]] = {}
        for fit in self.fits:
            found.setdefault(fit.spectrum.device, []).append(fit)
        return {device: tuple(fits) for device, fits in found.items()}
