"""Templates of pages: every string from a file is escaped, and a name that is missing is an error."""

from __future__ import annotations

from functools import cache

import jinja2

__all__ = ["template"]


@cache
def template(name: str) -> jinja2.Template:
    """A template of this package.

    Examples
    --------
    >>> template("report.html.j2").environment.autoescape
    True
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mtjfit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
