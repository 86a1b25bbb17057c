"""`python -m mtjfit`."""

from mtjfit.cli.main import cli

if __name__ == "__main__":
    cli(prog_name="mtjfit")
