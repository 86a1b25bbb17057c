"""Version of the installed program."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mtjfit")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"
