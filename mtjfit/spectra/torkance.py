"""Torkance of one device against bias; statistical errors, those of the background and common ones kept apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2 as chi2_distribution

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.spectra.calibration import Constants, torkances
from mtjfit.spectra.spectrum import Against
from mtjfit.text import number, value_with_error

_STEP = 1e-30  # of the complex step: derivatives without cancellation
_POOR = 1e-3
_HIGHEST = 3
_SHIFT = 1e-3  # of a standard error, for derivatives by a constant


@dataclass(frozen=True)
class CommonError(ShownAsCard):
    """Effect of the error of one constant, of relative size `relative`, on a whole curve of n points.

    `par` and `perp`, shape (n,), are the relative changes of each torkance by one standard error of the constant. `own`
    is False where the error is common to all devices.
    """

    name: str
    relative: float
    par: FloatArray
    perp: FloatArray
    own: bool


@dataclass(frozen=True)
class TorkanceCurve(ShownAsCard):
    """One device, n points ordered by bias: par along M × (P × M), perp along M × P, in N m/V.

    `statistical`, shape (2n, 2n), is the covariance from the fits of the lines, all in-plane values first.
    `systematic`, shape (orders, 2n), is what further orders of the background change: each row moves all points
    together, as one drift of all spectra does. `common` are errors that scale the curve as a whole, kept apart because
    no averaging removes them. They refer to `smooth`, shape (2, n), polynomials of a `degree` through par and perp.
    `flagged` is True where lines do not describe the spectrum.
    """

    device: str
    bias: FloatArray
    par: FloatArray
    perp: FloatArray
    statistical: FloatArray
    systematic: FloatArray
    common: tuple[CommonError, ...]
    smooth: FloatArray
    degree: int
    flagged: BoolArray

    def _card(self) -> Card:
        """Torkances with their errors; points of spectra that lines do not describe are marked."""
        rows = [
            [number(V), value_with_error(par, sd), value_with_error(perp, sd2), "flagged" if bad else ""]
            for V, par, perp, sd, sd2, bad in zip(
                self.bias, self.par, self.perp, *self.sigma, self.flagged, strict=True
            )
        ]
        common = ", ".join(f"{each.name} {100 * each.relative:.2g} %" for each in self.common)
        return Card(
            f"TorkanceCurve {self.device}", facts={"common errors": common},
            header=("V (V)", "dT∥/dV (N m/V)", "dT⊥/dV (N m/V)", ""), rows=rows,
        )  # fmt: skip

    @property
    def of_points(self) -> FloatArray:
        """Covariance of statistical and systematic errors, without common ones, shape (2n, 2n)."""
        return np.asarray(self.statistical + self.systematic.T @ self.systematic)

    @property
    def sigma(self) -> FloatArray:
        """Statistical and systematic errors in quadrature, shape (2, n)."""
        return np.asarray(np.sqrt(np.diagonal(self.of_points)).reshape(2, -1))

    @property
    def sigma_systematic(self) -> FloatArray:
        """Systematic errors alone, shape (2, n)."""
        return np.asarray(np.sqrt(np.sum(self.systematic**2, axis=0)).reshape(2, -1))

    @property
    def rho(self) -> FloatArray:
        """Correlation of par and perp at each point by statistical and systematic errors, shape (n,)."""
        n = self.bias.size
        sigma = self.sigma
        return np.asarray(np.diagonal(self.of_points[:n, n:]) / (sigma[0] * sigma[1]))

    def vector(self, error: CommonError) -> FloatArray:
        """Change of the smooth curve by one standard error of a constant, shape (2n,)."""
        return np.concatenate([error.par * self.smooth[0], error.perp * self.smooth[1]])

    def covariance(self, *, own_only: bool = False) -> FloatArray:
        """Statistical and systematic covariance plus Σ v vᵀ over the common errors, shape (2n, 2n).

        v is computed from the smooth curve, not from the points. With the points, a value that noise made small would
        count as precise, and every fit would be biased low: a constant through n points of equal errors and a relative
        common error s by a factor of about 1/(1 + (n − 1) s²) (Peelle's puzzle; G. d'Agostini, Nucl. Instrum. Methods A
        346, 306 (1994)). Fits of the form of the smooth curve are not moved at all, others by s² at most, a small part
        of s itself.

        `own_only` leaves out the errors that all devices have in common. A covariance of one device cannot hold these:
        taken as independent they would average away between devices. Errors that only scale whole curves are absorbed
        exactly by amplitudes that all devices share, and must be added to these by hand.
        """
        total = self.of_points
        for error in self.common:
            if error.own or not own_only:
                v = self.vector(error)
                total += np.outer(v, v)
        return total


def torkance_curve(
    device: str,
    lines: FloatArray,
    covariance: FloatArray,
    bias: FloatArray,
    fixed: FloatArray,
    against: Against,
    constants: Constants,
    flagged: BoolArray,
    shifts: FloatArray | None = None,
) -> TorkanceCurve:
    """Torkances of one device against bias, from n lines in any order; see `torkances`, whose errors apply.

    `lines`, shape (4, n), are centre, half width, symmetric and antisymmetric amplitude in SI, with a covariance of
    shape (4, n, 4, n). `shifts`, shape (orders, 4, n), are changes of the lines by further orders of the background,
    by default none.
    """
    order = np.argsort(bias, kind="stable")
    lines, covariance = lines[:, order], covariance[:, order][:, :, :, order]
    bias, fixed, flagged = bias[order], fixed[order], flagged[order]
    n = bias.size
    shifts = np.zeros((0, 4, n)) if shifts is None else shifts[np.any(shifts, axis=(1, 2))][:, :, order]
    values = torkances(lines, bias, fixed, against, constants)
    # The complex step is relative to the size of the numbers: amplitudes are microvolts, centres gigahertz.
    slopes = np.empty((2, 4, n))
    for k in range(4):
        size = np.max(np.abs(lines[k])) or 1.0
        moved = lines.astype(complex)
        moved[k] += 1j * _STEP * size
        slopes[:, k] = torkances(moved, bias, fixed, against, constants).imag / (_STEP * size)
    statistical = np.einsum("pki,kilj,qlj->piqj", slopes, covariance, slopes, optimize=True).reshape(2 * n, 2 * n)
    statistical = (statistical + statistical.T) / 2
    systematic = np.einsum("pki,jki->jpi", slopes, shifts).reshape(-1, 2 * n)
    common = tuple(_common(lines, bias, fixed, against, constants))
    smooth, degree = smooth_curve(bias, values, statistical + systematic.T @ systematic)
    return TorkanceCurve(device, bias, values[0], values[1], statistical, systematic, common, smooth, degree, flagged)


def _common(
    lines: FloatArray, bias: FloatArray, fixed: FloatArray, against: Against, constants: Constants
) -> list[CommonError]:
    # Amplitudes of one: what scales them does not depend on them, and they may be zero.
    unit = np.concatenate([lines[:2], np.ones_like(lines[2:])])
    found = []
    for name, constant in constants.named().items():
        if constant.sd > 0:
            up, down = (
                torkances(unit, bias, fixed, against, constants.moved(name, step)) for step in (_SHIFT, -_SHIFT)
            )
            middle = torkances(unit, bias, fixed, against, constants)
            change = (up - down) / (2 * _SHIFT * middle)
            found.append(CommonError(name, constant.relative, change[0], change[1], constant.own))
    return found


def smooth_curve(bias: FloatArray, values: FloatArray, covariance: FloatArray) -> tuple[FloatArray, int]:
    """Polynomials through both torkances: straight lines as Eq. 12 has them for J0 = a1 V + a2 V² + i (b1 V + b2 V²).

    Where straight lines do not describe the points (p < 0.001) the degree grows, to 3 at most. With n biases, values
    and the smooth curve have shape (2, n), the covariance (2n, 2n). The degree is returned, too.
    """
    n = bias.size
    size = np.max(np.abs(bias), initial=0.0) or 1.0
    scale = np.sqrt(np.diagonal(covariance))
    whiten = np.linalg.cholesky(covariance / scale[:, None] / scale)
    y = np.linalg.solve(whiten, values.ravel() / scale)
    different = np.unique(bias).size
    smooth, degree = values, 0
    for degree in range(min(1, different - 1), min(_HIGHEST, different - 1) + 1):
        one = np.vander(bias / size, degree + 1, increasing=True)
        columns = np.kron(np.eye(2), one)
        design = np.linalg.solve(whiten, columns / scale[:, None])
        coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
        chi2, dof = float(np.sum((y - design @ coefficients) ** 2)), 2 * n - columns.shape[1]
        smooth = (columns @ coefficients).reshape(2, n)
        if dof <= 0 or chi2_distribution.sf(chi2, dof) > _POOR:
            break
    return np.asarray(smooth), degree
