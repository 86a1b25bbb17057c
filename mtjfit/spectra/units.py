"""The closed table of units of spectra and of the constants of a device."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from mtjfit.errors import did_you_mean

__all__ = ["CONSTANT_UNITS", "FIELD_UNITS", "FREQUENCY_UNITS", "VOLTAGE_UNITS", "factor", "field_fault"]

FREQUENCY_UNITS: Mapping[str, float] = MappingProxyType({"GHz": 1e9, "MHz": 1e6, "kHz": 1e3, "Hz": 1.0})
"""To Hz."""

FIELD_UNITS: Mapping[str, float] = MappingProxyType(
    {"T": 1.0, "mT": 1e-3, "Oe": 1e-4, "kOe": 0.1, "G": 1e-4, "A/m": 1.25663706127e-6, "kA/m": 1.25663706127e-3}
)
"""To T of μ0 H."""

VOLTAGE_UNITS: Mapping[str, float] = MappingProxyType({"V": 1.0, "mV": 1e-3, "uV": 1e-6, "nV": 1e-9})
"""To V."""

CONSTANT_UNITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "I_rf": {"A": 1.0, "mA": 1e-3, "uA": 1e-6},
        "V_II": {"ohm/A": 1.0, "V/A2": 1.0, "kohm/A": 1e3},
        "V_thetaI": {"ohm/rad": 1.0, "kohm/rad": 1e3},
        "dV_dI": {"ohm": 1.0, "kohm": 1e3},
        "Ms_Vol": {"A m2": 1.0, "emu": 1e-3},
        "theta": {"deg": 1.0},
        "Nx_Meff": FIELD_UNITS,
        "Meff": FIELD_UNITS,
        "Bk": FIELD_UNITS,
        "gamma": {"rad/s/T": 1.0, "GHz/T": 6.283185307179586e9},
    }
)
"""To SI (degrees for the angle), by constant."""

_SAME = str.maketrans({"Ω": "ohm", "μ": "u", "·": " ", "²": "2", "−": "-"})


def factor(text: str, table: Mapping[str, float]) -> float:
    """Factor of a unit to SI.

    Parameters
    ----------
    text : str
        ``µV`` and ``uV``, ``Ω`` and ``ohm``, ``m²`` and ``m2`` are the same; case counts.
    table : mapping
        One of the tables of this module.

    Raises
    ------
    ValueError
        The text is no unit of the table; the message names the nearest one.

    Examples
    --------
    >>> factor("µV", VOLTAGE_UNITS), factor("kΩ", CONSTANT_UNITS["dV_dI"])
    (1e-06, 1000.0)
    """
    key = unicodedata.normalize("NFC", text.strip()).translate(_SAME).replace("µ", "u")
    if key not in table:
        raise ValueError(f"unknown unit {text!r}; {did_you_mean(text, table)}")
    return table[key]


def field_fault(field: float, frequency: float) -> str | None:
    """Why a field in T can hardly belong to a resonance at a frequency in Hz; None if it can.

    Ferromagnets resonate at 1 to 100 GHz in fields of millitesla to some tesla; 1 T is 28 GHz for the bare spin. Less
    than a thousandth, or more than thirty times, the field of the bare spin means another unit.

    Examples
    --------
    >>> field_fault(1.6e-5, 4e9)
    'a resonance at 4 GHz in 0.016 mT is hardly possible: is the unit of the field right?'
    >>> field_fault(0.016, 4e9)
    """
    bare = frequency / 28e9
    if 1e-3 * bare < abs(field) < 30 * bare or frequency == 0:
        return None
    place = f"{frequency / 1e9:g} GHz in {1e3 * field:g} mT"
    return f"a resonance at {place} is hardly possible: is the unit of the field right?"
