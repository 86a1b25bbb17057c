"""The model of a study: parameters laid out, likelihood with amplitudes integrated out, identifiability."""

from mtjfit.lazy import names_on_demand
from mtjfit.model.amplitude_integral import Bounded, DeviceIntegral, draw_block, log_integral
from mtjfit.model.compress import Compressed, Gram, polynomial_design, polynomial_slope
from mtjfit.model.coordinates import Coordinates, DeviceCoordinates, Scores, scattered_terms
from mtjfit.model.descent import FARTHEST
from mtjfit.model.device_combinations import (
    DeviceCombinations,
    combinations,
    denominator_dof,
    noise_estimate,
    noise_groups,
    quantities_table,
    terms_seen,
)
from mtjfit.model.equivalent_noise import (
    as_normal,
    declares_noise,
    least_squares_model,
    noise_of_points,
    student_scales,
)
from mtjfit.model.identifiability import (
    LINEAR_RISE,
    Direction,
    Identifiability,
    as_error,
    as_linear,
    determined_table,
    directions,
)
from mtjfit.model.jacobian import relative_errors
from mtjfit.model.layout import Layout, Scattered, amplitude_layout, once_per_study, with_own_amplitudes
from mtjfit.model.likelihood import (
    THINNEST,
    Conditional,
    FullPosterior,
    amplitude_design,
    full_posterior,
    row_scale,
    transfer,
    transfer_gradient,
    whitened,
)
from mtjfit.model.lmfit_model import SpinTorqueModel
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise import PointErrors, effective_errors, noise_words
from mtjfit.model.noise_models import JitterPosterior, StudentPosterior, make_posterior
from mtjfit.model.penalised import Penalised, PenalisedPoint
from mtjfit.model.phase import PhaseFit, Terms, fit_phase
from mtjfit.model.posterior import SharedPosterior
from mtjfit.model.profile import LEVELS, Interval, Profile, Profiles, Search, profiles, rises
from mtjfit.model.rank import GRADES, Structure, expected_errors, grade, structure
from mtjfit.model.straight import Frame
from mtjfit.model.thickness_integral import Thickness

__all__ = [
    "FARTHEST", "GRADES", "LEVELS", "LINEAR_RISE", "THINNEST", "Bounded", "Compressed", "Conditional", "Coordinates",
    "DeviceCombinations", "DeviceCoordinates", "DeviceIntegral", "Direction", "Frame", "FullPosterior", "Gram",
    "Identifiability", "Interval", "JitterPosterior", "Layout", "MarginalPosterior", "Penalised", "PenalisedPoint",
    "PhaseFit", "PointErrors", "Profile", "Profiles", "Scattered", "Scores", "Search", "SharedPosterior",
    "SpinTorqueModel", "Structure", "StudentPosterior", "Terms", "Thickness", "amplitude_design", "amplitude_layout",
    "as_error", "as_linear", "as_normal", "combinations", "declares_noise", "denominator_dof", "determined_table",
    "directions", "draw_block", "effective_errors", "expected_errors", "fit_phase", "full_posterior", "grade",
    "least_squares_model", "log_integral", "make_posterior", "noise_estimate", "noise_groups", "noise_of_points",
    "noise_words", "once_per_study", "polynomial_design", "polynomial_slope", "profiles", "quantities_table",
    "relative_errors", "rises", "row_scale", "scattered_terms", "structure", "student_scales", "terms_seen", "transfer",
    "transfer_gradient", "whitened", "with_own_amplitudes",
]  # fmt: skip

_MOVED = {"CollapsedPosterior": "mtjfit.model:MarginalPosterior", "combinations_table": "mtjfit.model:quantities_table"}

__getattr__ = names_on_demand(__name__, {}, _MOVED)
