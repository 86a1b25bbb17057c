"""The torque or torkance of one device against bias, frozen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, Unpack, get_args

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.data.curve_checks import SIZE, SinTheta, angle_fault, angle_faults, covariance_faults, odd_sizes
from mtjfit.data.units import Per, Quantity, check_unit, find_unit, pretty
from mtjfit.errors import DataError, Problem
from mtjfit.physics.torque import sin_degrees
from mtjfit.text import number, shortened

if TYPE_CHECKING:
    import pandas as pd

    from mtjfit.data.frame import FrameOptions

__all__ = [
    "COMPONENTS",
    "BoolArray",
    "Component",
    "FloatArray",
    "Origin",
    "Per",
    "PerpAxis",
    "Quantity",
    "SinTheta",
    "TorqueCurve",
    "curve_name",
]

PerpAxis: TypeAlias = Literal["MxP", "PxM"]
Component: TypeAlias = Literal["par", "perp"]
COMPONENTS: tuple[Component, Component] = ("par", "perp")
OriginKind: TypeAlias = Literal["measured", "reconstruction", "simulated"]
_OPTIONAL = ("sigma_par", "sigma_perp", "angle", "rho", "covariance", "sigma_bias")
_CHOICES = {"quantity": Quantity, "per": Per, "declared_perp_axis": PerpAxis}


@dataclass(frozen=True)
class Origin:
    """Origin of numbers; anything but ``measured`` is marked in every plot and table made from them.

    `note` is one sentence for people, for example how a simulation was made. ValueError for another kind than the
    three.
    """

    kind: OriginKind = "measured"
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(OriginKind):
            raise ValueError(f"origin {self.kind!r} is none of {', '.join(get_args(OriginKind))}")

    @property
    def label(self) -> str:
        """Mark for plots and tables, such as ``SIMULATED, not measured: five thicknesses``; empty for measured data."""
        if self.kind == "measured":
            return ""
        return f"{self.kind.upper()}, not measured" + (f": {self.note}" if self.note else "")


def curve_name(device: str, condition: str) -> str:
    """Name of the curve of a device under a condition.

    >>> curve_name("A1", ""), curve_name("A1", "300 K")
    ('A1', 'A1 @ 300 K')
    """
    return f"{device} @ {condition}" if condition else device


def _frozen(values: ArrayLike) -> FloatArray:
    if np.iscomplexobj(values):
        raise TypeError("complex numbers")
    array = np.array(values, dtype=float)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class TorqueCurve(ShownAsCard):
    """The torque of one device against bias: both components, or one of them.

    Attributes
    ----------
    device : str
        Name of the device; several curves may be of one device, each under its own `condition`.
    bias : ndarray, shape (n,)
        Bias V in volts.
    par, perp : ndarray, shape (n,)
        In-plane component, along M × (P × M), and out-of-plane component, along M × P, in `unit`. One NaN in place of
        the array: the component was not measured.
    thickness : float
        Nominal thickness of the free layer in nm.
    quantity : {"torque", "torkance"}
        T against V, or dT/dV against V. The two are never converted into each other.
    per : {"area", "device", "volume"}
        ``"volume"`` (an effective field, divided by M_s d) carries the 1/d of Eq. 12, the others do not.
    unit : str
        Unit of `par`, `perp` and their errors; stored by its name in `mtjfit.data.UNITS`.
    sigma_par, sigma_perp : ndarray, shape (n,), or None
        Standard errors; None: not known, and declared to be fitted.
    group : str
        Stack, wafer or split that parameters of scope ``"group"`` are shared in.
    used : ndarray of bool, shape (n,)
        False for masked points; they stay in the curve and are drawn hollow.
    reasons : tuple of str, length n
        Why a point is masked; empty for used points.
    used_values : ndarray of bool, shape (2, n)
        True for values that enter the fit, in-plane values first; by default all of the points in use. False where one
        component is masked, and where it was not measured: such a value may be NaN, as may its error.
    declared_perp_axis : {"MxP", "PxM"}
        Convention of the file. `perp` itself is always along M × P.
    origin : Origin
        Measured, reconstructed or simulated.
    source : str
        File the curve was read from, or empty.
    angle : float or None
        Angle θ between the moments in degrees, 0 < θ < 180; None: not declared.
    sin_theta : {"included", "divided"} or None
        ``"included"``: the values are torques at `angle`. ``"divided"``: they are already per sin θ. In both cases
        amplitudes are per sin θ. None: not declared, amplitudes belong to the angle of the measurement. The
        values themselves are never rescaled.
    rho : ndarray, shape (n,), or None
        Correlation between the errors of `par` and `perp` at each point, |ρ| < 1; None: independent.
    covariance : ndarray, shape (2n, 2n), or None
        Covariance of the errors of all values, those of `par` first, then those of `perp`, masked points included: for
        errors that points have in common, such as a calibration. The standard errors are the roots of its diagonal and
        need not be given.
    sigma_bias : ndarray, shape (n,), or None
        Standard error of each bias in V; one number serves all points. None: the bias is known exactly.
    notices : tuple of str
        What a person should know of the files: rows and files that were left out, names that look wrong.
    condition : str
        What tells this curve from others of its device, such as ``"300 K"`` or ``"second sweep"``. Curves of one device
        share its thickness.

    Raises
    ------
    DataError
        Shapes differ, numbers that enter the fit are not finite, a sigma or the thickness is not positive, the device
        has no name, the unit contradicts `quantity` or `per`, the torque vanishes at `angle`, the covariance is not
        symmetric and positive definite, or correlations or `sigma_bias` are given for errors that are to be fitted.

    Examples
    --------
    >>> curve = TorqueCurve("A1", bias=[-0.2, 0.0, 0.2], par=[-2.0, 0.0, 2.0], perp=[0.2, 0.0, 0.2],
    ...                     thickness=2.0, quantity="torque", per="device", unit="1e-19 N m",
    ...                     sigma_par=[0.1] * 3, sigma_perp=[0.1] * 3)
    >>> curve.mask(curve.bias < -0.1, "outside the window").n_used
    2
    """

    device: str
    bias: FloatArray
    par: FloatArray
    perp: FloatArray
    thickness: float
    quantity: Quantity
    per: Per
    unit: str = "arb"
    sigma_par: FloatArray | None = None
    sigma_perp: FloatArray | None = None
    group: str = ""
    used: BoolArray = field(default_factory=lambda: np.empty(0, dtype=bool))
    reasons: tuple[str, ...] = ()
    used_values: BoolArray = field(default_factory=lambda: np.empty((2, 0), dtype=bool))
    declared_perp_axis: PerpAxis = "MxP"
    origin: Origin = field(default_factory=Origin)
    source: str = ""
    angle: float | None = None
    sin_theta: SinTheta | None = None
    rho: FloatArray | None = None
    covariance: FloatArray | None = None
    sigma_bias: FloatArray | None = None
    notices: tuple[str, ...] = ()
    condition: str = ""

    def __post_init__(self) -> None:
        self._freeze()
        self._refuse([*self._declared_faults(), *self._faults()])
        object.__setattr__(self, "unit", find_unit(self.unit).name)

    def __reduce__(self) -> tuple[object, ...]:
        # Arrays come out of a pickle writable; making the curve anew freezes and checks them.
        return type(self), tuple(getattr(self, each.name) for each in fields(self))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, **options: Unpack[FrameOptions]) -> TorqueCurve:
        """The curve of one device from a pandas DataFrame with one row for each bias, which is not changed.

        As `mtjfit.data.curves_from_frame`, which names the options; DataError where the frame holds several curves.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"V": [-0.1, 0.0, 0.1], "T": [-1.0, 0.0, 1.0], "error": [0.1, 0.1, 0.1]})
        >>> TorqueCurve.from_frame(frame, quantity="torque", per="device", perp_axis="MxP", unit="1e-19 N m",
        ...                        columns={"bias": "V", "par": "T", "sigma_par": "error"}, device="A1",
        ...                        thickness=2.0).n_values
        3
        """
        from mtjfit.data.frame import curve_from_frame

        return curve_from_frame(frame, **options)

    def _refuse(self, faults: Sequence[tuple[str, str]]) -> None:
        if faults:
            raise DataError(Problem(f"device {self.name!r}", what, todo) for what, todo in faults)

    def _freeze(self) -> None:
        faults = []
        for name in ("bias", "par", "perp", "thickness", *_OPTIONAL):
            values = getattr(self, name)
            if values is None and name in _OPTIONAL:
                continue
            try:
                frozen = float(values) if name in ("thickness", "angle") else _frozen(values)
            except (TypeError, ValueError):
                faults.append((f"{name} is not made of real numbers", "give plain numbers"))
                continue
            object.__setattr__(self, name, frozen)
        self._refuse(faults)
        n = self.bias.size
        used_values = np.array(self.used_values, dtype=bool) if np.size(self.used_values) else np.ones((2, n), bool)
        self._fill_unmeasured(used_values)
        if self.sigma_bias is not None and self.sigma_bias.ndim == 0:
            object.__setattr__(self, "sigma_bias", _frozen(np.full(n, self.sigma_bias)))
        self._take_diagonal()
        used = np.array(self.used, dtype=bool) if np.size(self.used) else np.ones(n, dtype=bool)
        if used_values.shape == (2, *used.shape):
            used_values, used = used_values & used, used & used_values.any(axis=0)
        for name, flags in (("used", used), ("used_values", used_values)):
            flags.setflags(write=False)
            object.__setattr__(self, name, flags)
        object.__setattr__(self, "reasons", tuple(self.reasons) or ("",) * n)

    def _fill_unmeasured(self, used_values: BoolArray) -> None:
        """NaN for every value and error of a component that was given as one NaN, with its flags cleared."""
        nothing, n = _frozen(np.full(self.bias.shape, np.nan)), self.bias.size
        for c, name in enumerate(COMPONENTS):
            value, other_errors = self.component(c)[0], self.component(1 - c)[1]
            if value.ndim == 0 and np.isnan(value):
                object.__setattr__(self, name, nothing)
                object.__setattr__(self, f"sigma_{name}", None if other_errors is None else nothing)
                if used_values.shape == (2, n):
                    used_values[c] = False

    def _take_diagonal(self) -> None:
        """Standard errors from the covariance where they were not given; a wrong covariance is found later."""
        n, covariance = self.bias.size, self.covariance
        if covariance is None or covariance.shape != (2 * n, 2 * n):
            return
        sd = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
        for name, part in (("sigma_par", sd[:n]), ("sigma_perp", sd[n:])):
            if getattr(self, name) is None:
                object.__setattr__(self, name, _frozen(part))

    def _declared_faults(self) -> Iterator[tuple[str, str]]:
        if not self.device.strip():
            yield "the device has no name", "name it"
        wrong = {name: get_args(kind) for name, kind in _CHOICES.items() if getattr(self, name) not in get_args(kind)}
        for name, choices in wrong.items():
            yield f"{name} is {getattr(self, name)!r}", f"use one of {', '.join(map(repr, choices))}"
        if not wrong and (problem := check_unit(self.unit, self.quantity, self.per)):
            yield problem.what, problem.todo
        if self.angle is not None and (fault := angle_fault(self.angle)):
            yield f"angle {fault[0]}", fault[1]
        for key, what, todo in angle_faults(self.angle is not None, self.sin_theta):
            yield f"{key} {what}", todo

    def _faults(self) -> Iterator[tuple[str, str]]:
        n = self.bias.size
        sound = self.par.shape == self.perp.shape == (n,) and self.used_values.shape == (2, n)
        measured = self.measured if sound else np.ones((2, n), dtype=bool)
        used_values = self.used_values if sound else measured
        needed = {"par": used_values[0], "perp": used_values[1], "rho": measured.all(axis=0),
                  "sigma_par": measured[0], "sigma_perp": measured[1]}  # fmt: skip
        for name in ("bias", "par", "perp", "sigma_par", "sigma_perp", "rho", "sigma_bias"):
            values, beside = getattr(self, name), name in ("rho", "sigma_bias")
            if values is None:
                continue
            if beside and self.sigma_par is None:
                todo = f"give the errors of both components beside {name}, or remove it"
                yield f'{name} is given, but sigma = "fit"', todo
            if values.shape != (n,):
                yield f"{name} has shape {values.shape}, bias has {(n,)}", "give one value per bias"
            elif not np.all(np.isfinite(values[needed.get(name, slice(None))])):
                todo = "give a number for each point" if beside else "remove the point or mask it before loading"
                yield f"{name} holds NaN or inf", todo
            elif name == "rho" and (large := np.flatnonzero(np.abs(values) >= 1)).size:
                what = f"rho is {values[large[0]]:g} at point {large[0]}"
                yield what, "give a correlation between -1 and 1, ends excluded"
            elif name == "sigma_bias" and np.any(values < 0):
                yield "sigma_bias is negative", "give the standard error of each bias in V, or 0"
            elif name in ("sigma_par", "sigma_perp") and np.any(values <= 0):
                yield f"{name} is zero or negative", "give the standard error of each point"
            elif (odd := np.flatnonzero(odd_sizes(name, values))).size:
                yield f"{name} is {values[odd[0]]:g} at point {odd[0]}: {SIZE[0]}", SIZE[1]
        if self.covariance is not None:
            yield from covariance_faults(n, self.covariance, self.sigma_par, self.sigma_perp, measured.ravel())
            if self.rho is not None:
                yield "both rho and covariance are given", "keep one: the covariance holds all correlations"
        if (self.sigma_par is None) != (self.sigma_perp is None):
            yield "only one component has errors", "give sigma for both, or for neither"
        if self.used_values.shape != (2, n):
            yield f"used_values has shape {self.used_values.shape}, bias has {(n,)}", "give two flags per bias"
        elif self.used.shape != (n,) or len(self.reasons) != n:
            yield "mask and bias differ in length", "give one flag and one reason per bias"
        elif not self.used.any():
            yield "every point is masked", "widen the bias window or drop the device"
        if not 0 < self.thickness < np.inf:
            yield f"thickness is {self.thickness} nm", "give a positive thickness"
        elif odd_sizes("thickness", self.thickness):
            yield f"thickness is {self.thickness:g} nm: {SIZE[0]}", SIZE[1]

    @property
    def name(self) -> str:
        """Name of the curve in tables and plots, unique in a study: ``A1``, or ``A1 @ 300 K`` under a condition."""
        return curve_name(self.device, self.condition)

    @property
    def measured(self) -> BoolArray:
        """True for values that were measured, masked ones included, shape (2, n)."""
        return np.isfinite(np.stack([self.par, self.perp]))

    @property
    def n_used(self) -> int:
        """Number of bias points that enter the fit, with one component or both."""
        return int(self.used.sum())

    @property
    def n_values(self) -> int:
        """Number of values that enter the fit: of points with both components, two."""
        return int(self.used_values.sum())

    def component(self, c: int) -> tuple[FloatArray, FloatArray | None]:
        """Values and standard errors of the in-plane component, c = 0, or of the out-of-plane one, c = 1."""
        return (self.par, self.sigma_par) if c == 0 else (self.perp, self.sigma_perp)

    @property
    def sigma_is_fitted(self) -> bool:
        """True where errors are not known and one noise scale per component is fitted."""
        return self.sigma_par is None

    @property
    def is_correlated(self) -> bool:
        """True where errors of different values are not independent: by `rho`, `covariance` or `sigma_bias`."""
        return any(each is not None for each in (self.rho, self.covariance, self.sigma_bias))

    @property
    def angle_factor(self) -> float:
        """sin θ where the values carry it and amplitudes do not, else 1: what the model multiplies J0 by."""
        return 1.0 if self.angle is None or self.sin_theta != "included" else float(sin_degrees(self.angle))

    def _card(self) -> Card:
        """The curve in a notebook: what was declared, and a few points; masked ones in brackets."""
        n, rows = self.bias.size, []
        for k in range(n):
            cells = [number(self.bias[k])]
            for c, (values, sd) in enumerate(map(self.component, range(2))):
                cell = number(values[k]) + ("" if sd is None else f" ± {number(sd[k], 2)}")
                cell = cell if self.measured[c, k] else "not measured"
                cells.append(f"({cell})" if self.used[k] and self.measured[c, k] > self.used_values[c, k] else cell)
            rows.append(cells if self.used[k] else [f"({cell})" for cell in cells])
        facts = {
            "quantity": f"{self.quantity} per {self.per}, {pretty(self.unit)}",
            "thickness": f"{self.thickness:g} nm",
            "points": f"{n}" + ("" if self.n_used == n else f", {n - self.n_used} left out (in brackets)"),
            "errors": "to be fitted" if self.sigma_is_fitted else "correlated" if self.is_correlated else "known",
            "group": self.group,
            "condition": self.condition,
            "source": self.source,
        }
        symbols = ("T∥", "T⊥") if self.quantity == "torque" else ("dT∥/dV", "dT⊥/dV")
        return Card(
            f"TorqueCurve {self.name}", marks=[self.origin.label], facts=facts,
            header=("V (V)", *symbols), rows=shortened(rows, 6),
        )  # fmt: skip

    def mask(self, where: ArrayLike, reason: str, component: Component | None = None) -> TorqueCurve:
        """Leave points out, with a reason for reports; returns a new curve, points already masked keep their reason.

        `where` has shape (n,), True for the points to leave out; of one `component` only, if it is given. DataError
        where it has another shape, or leaves no point.
        """
        leave_out = np.asarray(where, dtype=bool)
        if leave_out.shape != self.bias.shape:
            self._refuse([(f"mask has shape {leave_out.shape}", "give one flag per bias")])
        of = np.array([component in (None, each) for each in COMPONENTS])[:, None]
        hit = self.used_values & leave_out & of
        reasons = tuple(reason if new else kept for new, kept in zip(hit.any(axis=0), self.reasons, strict=True))
        return replace(self, used_values=self.used_values & ~hit, reasons=reasons)
