"""The end of every command: an exit code, and a message instead of a traceback."""

from __future__ import annotations

import _thread
import contextlib
import errno
import os
import platform
import shlex
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from mtjfit.errors import MtjfitError
from mtjfit.input import read_bytes, refuse_names_not_utf8
from mtjfit.interrupts import interrupted_by_signals
from mtjfit.streams import VisibleStream, visible_streams
from mtjfit.terminal import INTERRUPTED, stopped
from mtjfit.text import visible

_FAILED = 3  # input or output, and faults of mtjfit
_LEAST_MEMORY = 1_024_000_000  # bytes of address space; a run takes 600 MB
_LEAST_FILES = 64  # a command without further processes opens some twenty
_LARGEST = 1_000_000  # bytes of a study file in a report, and of a matplotlibrc
_LONGEST_DATE = 11  # digits, until the year 5138
_ELSEWHERE = "work in another folder, or unset MATPLOTLIBRC"
_ARGUMENTS = "mtjfit.arguments"
_COMPLETE = "_MTJFIT_COMPLETE"
_NO_FAULT = {
    errno.ENOSPC: "free the disk",
    errno.EDQUOT: "free the disk",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "close other programs",
    errno.EIO: "look after the disk",
    errno.EROFS: "write elsewhere",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "name the file that the links should lead to",
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
}
"""What the computer refused, and what to do; any other OSError was foreseen, or is a fault of mtjfit."""
_LONGEST_NAME = 200


class Commands(click.Group):
    """A group whose commands end with an exit code and, unless that is 0, a message; never with a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As of click, except that it always exits, and that nothing printed can steer the terminal."""
        if _COMPLETE in os.environ:  # a shell asks for words of ours, and takes bytes
            with contextlib.suppress(Exception):
                return super().main(*args, **kwargs | {"complete_var": _COMPLETE})
            sys.exit(_FAILED)
        try:
            code = self._ended(*args, **kwargs)
        except KeyboardInterrupt:  # before a command begins, or after it ended
            with contextlib.suppress(Exception):
                click.echo("\nInterrupted.", err=True)
            code = INTERRUPTED
        sys.exit(code)

    def _ended(self, *args: Any, **kwargs: Any) -> int:
        """The exit code of a command that ran."""
        with visible_streams() as (out, err), _dropped_exceptions(), interrupted_by_signals():
            try:
                code = super().main(*args, **kwargs | {"standalone_mode": False})
            except click.ClickException as error:
                error.message = visible(error.message)  # type: ignore[misc]
                error.show()
                code = error.exit_code
            except click.Abort:
                code = INTERRUPTED
            out.flush()
            return _with_streams(code or 0, out, err)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments for a report, and refuse control characters, which no name of a file should have."""
        ctx.meta[_ARGUMENTS] = tuple(args)
        for each in args:
            if any(char < " " for char in each):
                raise click.UsageError(f"{each!r} holds a control character; rename the file", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        """Run a command; what it returns is no exit code."""
        try:
            refuse_names_not_utf8(ctx.meta[_ARGUMENTS])
            _refuse_small_limits()
            _refuse_strange_settings()
            os.environ["MPLBACKEND"] = "agg"  # no command opens a window, and unknown names are errors
            super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as error:
            raise stopped(error, "no result was written.") from None
        except Exception as error:
            if _was_interrupted(error):
                raise stopped(KeyboardInterrupt(), "no result was written.") from None
            click.echo(f"Error: {_told(error, ctx.meta[_ARGUMENTS])}", err=True)
            ctx.exit(error.exit_code if isinstance(error, MtjfitError) else _FAILED)


def _was_interrupted(error: Exception) -> bool:
    """Whether pydantic took Ctrl-C, pressed while it built a check, for an error of the check."""
    return type(error).__name__ == "SchemaError" and "KeyboardInterrupt" in str(error)


@contextlib.contextmanager
def _dropped_exceptions() -> Iterator[None]:
    """Interrupt again where a library dropped Ctrl-C, and tell of anything else that it dropped in one line."""

    pending: list[threading.Timer] = []

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            again = threading.Timer(0.05, _thread.interrupt_main)  # here it would be dropped once more
            again.daemon = True
            again.start()
            pending.append(again)
        else:
            said = f"{what.exc_type.__name__}: {what.exc_value}"
            click.echo(visible(f"note: a library went on after {said[:300]}"), err=True)

    before = sys.unraisablehook, sys.excepthook
    sys.unraisablehook, sys.excepthook = dropped, lambda *_: None  # Cython also prints what it drops, with a traceback
    try:
        yield
    finally:
        sys.unraisablehook, sys.excepthook = before
        for each in pending:  # a command that has ended is not interrupted
            each.cancel()


def _with_streams(code: int, out: VisibleStream, err: VisibleStream) -> int:
    """The exit code where standard output or error could not be written; a reader that left wants no message."""
    lost = out.failure or (err.failure if err.failure is not None and err.failure.errno != errno.EBADF else None)
    if out.failure is not None and not isinstance(out.failure, BrokenPipeError):
        what = visible(str(out.failure.strerror or out.failure))
        click.echo(f"Error: standard output cannot be written: {what}; files of the command are complete", err=True)
    return code if lost is None or code == INTERRUPTED else _FAILED


def _refuse_small_limits() -> None:
    """Refuse limits at which libraries fail somewhere, or wait for memory and for ever, as OpenBLAS does."""
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource

        for limit, least, what, how in (
            (resource.RLIMIT_AS, _LEAST_MEMORY, "bytes of memory", f"ulimit -v {_LEAST_MEMORY // 1024}"),
            (resource.RLIMIT_NOFILE, _LEAST_FILES, "open files", f"ulimit -n {_LEAST_FILES}"),
        ):
            allowed, _ = resource.getrlimit(limit)
            if allowed != resource.RLIM_INFINITY and allowed < least:
                few = f"this process may have {allowed} {what}, too few for the libraries that it needs"
                raise MtjfitError(f"{few}; allow {least} or more ({how})")


def _refuse_strange_settings() -> None:
    """Refuse what matplotlib would fail at, or wait for, in its files of settings and in the environment."""
    named = Path(os.environ.get("MATPLOTLIBRC") or "matplotlibrc")
    for file in (Path("matplotlibrc"), named, named / "matplotlibrc"):
        if os.path.exists(file) and not os.path.isdir(file):  # noqa: PTH110, PTH112 - False where it may not be asked
            try:
                read_bytes(file, str(file), _LARGEST).decode()
            except UnicodeDecodeError:
                raise MtjfitError(f"{file}: is not UTF-8, and matplotlib reads it; {_ELSEWHERE}") from None
    date = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not (date.isascii() and date.isdecimal() and len(date) <= _LONGEST_DATE):
        raise MtjfitError(f"SOURCE_DATE_EPOCH: is {date[:40]!r}; give seconds since 1970, or unset it")


def _told(error: Exception, arguments: Sequence[str]) -> str:
    """An exception in words; a fault of mtjfit is saved for a report."""
    if isinstance(error, MtjfitError):
        return str(error)
    if isinstance(error, MemoryError):
        return "memory ran out; use fewer or smaller data, or a computer with more"
    if isinstance(error, RecursionError):
        return "a file is nested too deeply; simplify it"
    if isinstance(error, ImportError):
        return visible(f"{error}; install mtjfit anew, or allow it more memory")
    if isinstance(error, OSError) and error.errno in _NO_FAULT:
        name = str(error.filename)
        where = f"{name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + '…'}: " if error.filename else ""
        return visible(f"{where}{error.strerror}; {_NO_FAULT[error.errno]}")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    short = visible(f"{type(error).__name__}: {error}"[:300])
    saved = _save(error, arguments)
    if saved is None:
        return f"this is a fault of mtjfit: {short}{place}\nNo report could be saved. Please tell its developers."
    return (
        f"this is a fault of mtjfit: {short}{place}\n"
        f"A report with traceback, versions and study file, but no data, is in {visible(str(saved))}.\n"
        "Please send it to the developers of mtjfit."
    )


def _save(error: Exception, arguments: Sequence[str]) -> Path | None:
    """A new file with a report in the current folder or in that of temporary files; None if there is no room for it."""
    with contextlib.suppress(Exception):  # whatever fails now must not hide the fault
        report = visible("\n\n".join(_report(error, arguments)), "\n\t").encode()
        for folder in (".", tempfile.gettempdir()):
            with contextlib.suppress(OSError):
                handle, name = tempfile.mkstemp(prefix="mtjfit-fault-", suffix=".txt", dir=folder)
                with os.fdopen(handle, "wb") as stream:
                    stream.write(report)
                return Path(name)
    return None


def _report(error: Exception, arguments: Sequence[str]) -> Iterator[str]:
    from mtjfit.infer.store.fingerprint import versions

    yield shlex.join(["mtjfit", *arguments])
    yield "\n".join([platform.platform(), *(f"{name} {version}" for name, version in versions().items())])
    yield "".join(traceback.format_exception(error))
    for name in arguments:
        if name.endswith(".toml"):
            with contextlib.suppress(Exception):
                yield f"{name}:\n" + read_bytes(Path(name), name, _LARGEST).decode(errors="replace")
