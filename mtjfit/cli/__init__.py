"""The command line: thin commands over the library, with exit codes that scripts can rely on."""

from __future__ import annotations

from mtjfit.lazy import names_on_demand

__all__ = [
    "Steps", "check_command", "cli", "identify_command", "run_study", "usual_steps",
]  # fmt: skip

_HOMES = {
    ".identify": ("check_command", "identify_command"),
    ".main": ("cli",),
    ".run": ("Steps", "run_study", "usual_steps"),
}

__getattr__ = names_on_demand(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
