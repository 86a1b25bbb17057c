"""Set up mtjfit in .venv beside this file, and run it there. Needs Python 3.11 or newer, and nothing else.

    python3 do.py demo [ARGS]     the demonstration: `mtjfit demo ARGS`
    python3 do.py test [ARGS]     the tests: `pytest ARGS`
    python3 do.py lint            ruff, mypy and the import layers
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
STAMP = VENV / "mtjfit-stamp.json"
BIN, SUFFIX = (VENV / "Scripts", ".exe") if os.name == "nt" else (VENV / "bin", "")
EXTRAS = {"demo": [], "test": ["test"], "lint": ["test", "lint"], "docs": ["docs"]}
LINT = ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]
HELP = "Debian, Ubuntu: sudo apt install python3-venv; elsewhere: install pip"


def tool(name):
    return str(BIN / (name + SUFFIX))


def run(*command):
    """Run quietly in the top folder: (succeeded, everything it said)."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd=str(ROOT), check=False, **streams)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def prepare(extras):
    """Bring the environment up to date; it is made anew for another pyproject.toml, Python or folder."""
    key = [(ROOT / "pyproject.toml").read_text("utf-8"), sys.version, str(ROOT)]
    try:
        stamp = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        stamp = {"key": None, "extras": []}
    extras = sorted({*extras, *(stamp["extras"] or [])})
    usable = stamp["key"] == key and Path(tool("python")).exists()
    if usable and extras == stamp["extras"]:
        return
    if VENV.exists() and not STAMP.exists():
        sys.exit(f"{VENV} was not made by do.py: move it away, and call again.")
    print("setting up .venv (once, about a minute) ...", file=sys.stderr, flush=True)
    if not usable:
        if VENV.exists():
            shutil.rmtree(str(VENV))
        VENV.mkdir()
        STAMP.write_text(json.dumps({"key": None, "extras": extras}), "utf-8")  # interrupted, it is made anew
        python = getattr(sys, "_base_executable", sys.executable)  # not that of the environment just deleted
        run(python, "-m", "venv", str(VENV))[0] or run(python, "-m", "venv", "--without-pip", str(VENV))
    for pip in [tool("python"), "-m", "pip"], [sys.executable, "-m", "pip", "--python", tool("python")]:
        if Path(tool("python")).exists() and run(*pip, "--version")[0]:
            break
    else:
        sys.exit(f"Python's venv module is incomplete. Install it, and call again. {HELP}")
    installed, output = run(*pip, "install", "--editable", f".[{','.join(extras)}]")
    if not installed:
        sys.exit(f"{output}\nThe installation failed; pip's words are above.")
    STAMP.write_text(json.dumps({"key": key, "extras": extras}), "utf-8")


def become(*command):
    """Hand over to a program, exit code and all."""
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606
    return subprocess.call(command)


def main(command="", *arguments):
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"mtjfit needs Python 3.11 or newer; this is {sys.version.split()[0]}, {sys.executable}.")
    if command not in EXTRAS or (command == "lint" and arguments):
        print(__doc__)
        return 0 if command in ("-h", "--help") else 2
    for name in "PYTHONPATH", "PYTHONHOME":  # packages from elsewhere must not look installed
        os.environ.pop(name, None)
    os.environ.update(VIRTUAL_ENV=str(VENV), PATH=str(BIN) + os.pathsep + os.environ.get("PATH", ""), PIP_USER="0")
    try:
        prepare(EXTRAS[command])
    except KeyboardInterrupt:
        sys.exit("interrupted; call again to set up .venv.")
    except OSError as error:
        sys.exit(f"cannot set up {VENV}: {error}. Leave that environment (deactivate), and call again.")
    if command == "demo":
        return become(tool("mtjfit"), "demo", *arguments)
    if command == "docs":
        return become(tool("python"), str(ROOT / "docs" / "build.py"), *arguments)
    os.chdir(str(ROOT))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of two workers on two cores wait for each other
    if command == "test":  # some tests start sooner without workers
        return become(tool("python"), "-m", "pytest", *(arguments or ("-n", "2", "--dist", "loadfile")))
    failed = [line for line in LINT if subprocess.call([tool(line.split()[0]), *line.split()[1:]])]
    print("failed: " + ", ".join(failed) if failed else "lint passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
