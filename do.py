"""Set up mtjfit in .venv beside this file, and run it there. Needs Python 3.11 or newer, and nothing else.

    python3 do.py demo [ARGS]     the demonstration: `mtjfit demo ARGS`
    python3 do.py test [ARGS]     the tests: `pytest ARGS`
    python3 do.py lint            ruff, mypy, bandit, codespell and the import layers
    python3 do.py audit           known faults of the packages in .venv; needs the network
    python3 do.py docs [FOLDER]   the pages of the documentation, in mtjfit-docs or in FOLDER

The first call takes about a minute; later calls start at once.
"""

# No syntax newer than Python 3.6: an old Python must be able to read this file in order to be refused.
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP, DRAFT = VENV / "mtjfit-stamp.json", VENV / "mtjfit-stamp.new"
BIN, SUFFIX = (VENV / "Scripts", ".exe") if os.name == "nt" else (VENV / "bin", "")
GROUPS = {"demo": [], "test": ["test"], "lint": ["test", "lint"], "docs": ["docs"], "audit": ["audit"]}
AUDITED = ".[cluster,evidence,excel,explore,macrospin,netcdf,parquet,tdms]"  # with what users may add
KNOWN = {each for groups in GROUPS.values() for each in groups}
BANDIT = "bandit -q -c pyproject.toml -r mtjfit docs do.py"
ENCODING = "ruff check -q --preview --select PLW1514 ."  # Windows has another than UTF-8
LINT = ["ruff check .", ENCODING, "ruff format --check .", "mypy", BANDIT, "codespell", "lint-imports"]
HELP = "Debian, Ubuntu: sudo apt install python3-venv; elsewhere: install pip"


def tool(name):
    return str(BIN / (name + SUFFIX))


def run(*command):
    """Run quietly in the top folder: (succeeded, everything it said)."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd=str(ROOT), check=False, **streams)  # noqa: S603 - ours
    return done.returncode == 0, done.stdout.decode(errors="replace")


def stamped():
    """What do.py noted in .venv; stops where another made that, since all in it may be deleted."""
    here = [each.name for each in VENV.iterdir()] if VENV.is_dir() else []
    found = sorted(here) if VENV.is_dir() or not os.path.lexists(str(VENV)) else ["no folder"]
    if os.path.realpath(str(STAMP)) != str(STAMP):  # one of both is a link, or a junction of Windows
        found = ["a link"]
    elif set(found) <= {DRAFT.name}:
        return {"key": None, "groups": []}
    elif STAMP.is_file() and STAMP.stat().st_size < 10**6:
        try:
            stamp = json.loads(STAMP.read_text("utf-8"))
            if set(stamp) == {"key", "groups"} and set(stamp["groups"]) <= KNOWN:
                return stamp
            if set(stamp) == {"key", "extras"} and isinstance(stamp["extras"], list):
                return {"key": None, "groups": []}  # of an earlier do.py: made anew
        except (ValueError, TypeError, RecursionError):
            pass
    sys.exit(f"{VENV} was not made by do.py (found: {', '.join(found[:3])}): move it away, and call again.")


def note(key, groups):
    """Write the stamp, whole or not at all."""
    if os.path.lexists(str(DRAFT)):
        DRAFT.unlink()  # a link would be written through
    DRAFT.write_text(json.dumps({"key": key, "groups": groups}), "utf-8")
    DRAFT.replace(STAMP)


def requirements(groups):
    """Packages of [dependency-groups] in pyproject.toml; a pip before 25.1 does not know --group."""
    import tomllib

    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return [each for group in groups for each in known[group]]


def prepare(groups):
    """Bring the environment up to date; it is made anew for another pyproject.toml, Python or folder."""
    key = [(ROOT / "pyproject.toml").read_text("utf-8"), sys.version, str(ROOT)]
    stamp = stamped()
    groups = sorted({*groups, *stamp["groups"]})
    usable = stamp["key"] == key and Path(tool("python")).exists()
    if usable and groups == stamp["groups"]:
        return
    print("setting up .venv (once, about a minute) ...", file=sys.stderr, flush=True)
    if not usable:
        VENV.mkdir(exist_ok=True)
        note(None, groups)  # interrupted, it is made anew
        for each in set(VENV.iterdir()) - {STAMP}:
            shutil.rmtree(str(each)) if each.is_dir() and not each.is_symlink() else each.unlink()
        python = getattr(sys, "_base_executable", sys.executable)  # not that of the environment just deleted
        run(python, "-m", "venv", str(VENV))[0] or run(python, "-m", "venv", "--without-pip", str(VENV))
    for pip in [tool("python"), "-m", "pip"], [sys.executable, "-m", "pip", "--python", tool("python")]:
        if Path(tool("python")).exists() and run(*pip, "--version")[0]:
            break
    else:
        sys.exit(f"Python's venv module is incomplete. Install it, and call again. {HELP}")
    installed, output = run(*pip, "install", "--editable", AUDITED if "audit" in groups else ".", *requirements(groups))
    if not installed:
        sys.exit(f"{output}\nThe installation failed; pip's words are above.")
    note(key, groups)


def become(*command):
    """Hand over to a program, exit code and all."""
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606
    return subprocess.call(command)  # noqa: S603 - ours


def audit():
    """Ask for known faults of all that is installed; 1 also where nobody answers: silence is no good news."""
    names = VENV / "mtjfit-audited.txt"
    if os.path.lexists(str(names)):
        names.unlink()
    names.write_text(run(tool("python"), "-m", "pip", "freeze", "--exclude-editable")[1], "utf-8")
    options = ["--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off", "-r", str(names)]
    passed = subprocess.call([tool("python"), "-m", "pip_audit"] + options) == 0  # noqa: S603, RUF005 - ours
    print("audit passed" if passed else "NOT PASSED: a package has a known fault, or could not be looked up; see above")
    return 0 if passed else 1


def main(command="", *arguments):
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"mtjfit needs Python 3.11 or newer; this is {sys.version.split()[0]}, {sys.executable}.")
    if command not in GROUPS or (command in ("lint", "audit") and arguments):
        print(__doc__)
        return 0 if command in ("-h", "--help") else 2
    for name in "PYTHONPATH", "PYTHONHOME":  # packages from elsewhere must not look installed
        os.environ.pop(name, None)
    os.environ.update(VIRTUAL_ENV=str(VENV), PATH=str(BIN) + os.pathsep + os.environ.get("PATH", ""), PIP_USER="0")
    try:
        prepare(GROUPS[command])
    except KeyboardInterrupt:
        sys.exit("interrupted; call again to set up .venv.")
    except OSError as error:
        sys.exit(f"cannot set up {VENV}: {error}. Leave that environment (deactivate), and call again.")
    if command == "audit":
        return audit()
    if command == "demo":
        return become(tool("mtjfit"), "demo", *arguments)
    if command == "docs":
        return become(tool("python"), str(ROOT / "docs" / "build.py"), *arguments)
    os.chdir(str(ROOT))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of two workers on two cores wait for each other
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each process of a test would compile all anew
    if command == "test":  # some tests start sooner without workers
        return become(tool("python"), "-m", "pytest", *(arguments or ("-n", "2", "--dist", "loadfile")))
    failed = [line for line in LINT if subprocess.call([tool(line.split()[0]), *line.split()[1:]])]  # noqa: S603 - LINT
    print("failed: " + ", ".join(failed) if failed else "lint passed; dependencies: python3 do.py audit")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
