"""``mtjfit cite``: the paper and the program for a list of references."""

from __future__ import annotations

import click

from mtjfit.version import __version__

_PAPER = r"""@article{Manchon2012,
  author  = {Manchon, A. and Matsumoto, R. and Jaffr{\`e}s, H. and Grollier, J.},
  title   = {Spin transfer torque with spin diffusion in magnetic tunnel junctions},
  journal = {Physical Review B},
  volume  = {86},
  pages   = {060404(R)},
  year    = {2012},
  doi     = {10.1103/PhysRevB.86.060404},
}"""

_PROGRAM = f"""@misc{{mtjfit,
  author  = {{{{The mtjfit developers}}}},
  title   = {{mtjfit: spin-transfer torque against bias of magnetic tunnel junctions, with honest error bars}},
  note    = {{Version {__version__}}},
  url     = {{https://github.com/mtjfit/mtjfit}},
}}"""


@click.command(short_help="The paper and this program as BibTeX.")
def cite_command() -> None:
    """Print BibTeX entries of the paper whose theory is fitted, and of this version of the program."""
    click.echo(f"{_PAPER}\n\n{_PROGRAM}")
