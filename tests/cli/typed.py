"""Commands as they are typed, and a study in which parameters are known."""

from __future__ import annotations

import re

from click.testing import CliRunner, Result

from mtjfit.cli import cli

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
TRUTH = dict(zip(LENGTHS, (1.0, 1.0, 10.0, 1.0), strict=True)) | {"a1": 0.13, "b2": 0.08}
"""Of the bundled series."""


def invoke(*arguments: object, obj: object = None) -> Result:
    """What a command does, in this process; `obj` holds its steps. Mistakes of ours are raised."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], obj=obj)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    assert "fault of mtjfit" not in result.output
    return result


def fixed(text: str, *names: str) -> str:
    """The text of a study file with some parameters fixed to the truth, or all."""
    for name in names or TRUTH:
        text = re.sub(rf"(?m)^{name} *= .*$", f"{name} = {{ fixed = {TRUTH[name]} }}", text)
    return text
