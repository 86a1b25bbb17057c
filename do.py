"""Set up mtjfit in .venv beside this file, and run it there. Needs Python 3.11 or newer, and nothing else.

    python3 do.py demo [ARGS]     the demonstration: `mtjfit demo ARGS`
    python3 do.py test [ARGS]     the tests: `pytest ARGS`
    python3 do.py lint            ruff, mypy and the import layers
    python3 do.py docs [FOLDER]   the pages of the documentation, in mtjfit-docs or in FOLDER

The first call takes about a minute; later calls start at once.
"""

# No syntax newer than Python 3.6: an old Python must be able to read this file in order to be refused.
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "mtjfit-stamp.json"
BIN, SUFFIX = (VENV / "Scripts", ".exe") if os.name == "nt" else (VENV / "bin", "")
EXTRAS = {"demo": [], "test": ["test"], "lint": ["test", "lint"], "docs": ["docs"]}
WORKERS = ["-n", "2", "--dist", "loadfile"]
LINT = ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]
HELP = "Debian, Ubuntu: sudo apt install python3-venv; elsewhere: pip install --user virtualenv"


def tool(name):
    return str(BIN / (name + SUFFIX))


def run(*command):
    """Run quietly in the top folder: (succeeded, everything it said)."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd=str(ROOT), check=False, **streams)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def fingerprint():
    """Changes with what is installed, the Python and the folder: an environment does not survive a move."""
    import tomllib  # here, because an old Python must get as far as its refusal

    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    installed = document["build-system"], document["project"], document["tool"]["hatch"]
    everything = json.dumps([installed, sys.version, platform.machine(), str(ROOT)])
    return hashlib.sha256(everything.encode()).hexdigest()


def read_stamp():
    """What the environment holds. Extras None: its set-up was interrupted. None: it is not ours."""
    try:
        return json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_stamp(key, extras):
    draft = STAMP.with_suffix(".draft")
    draft.write_text(json.dumps({"key": key, "extras": extras}), "utf-8")
    draft.replace(STAMP)


def lack(stamp, key, extras):
    """What is to be installed: 'everything', only 'extras', or 'nothing'."""
    if not stamp or stamp["extras"] is None or stamp["key"] != key or not Path(tool("python")).exists():
        return "everything"
    return "nothing" if set(extras) <= set(stamp["extras"]) else "extras"


def pip():
    """The environment's own pip, or that of the running Python, pointed at the environment."""
    for command in [tool("python"), "-m", "pip"], [sys.executable, "-m", "pip", "--python", tool("python")]:
        if Path(tool("python")).exists() and run(*command, "--version")[0]:
            return command
    return None


def make_venv():
    """An empty environment with a pip for it, made in the first way that works here."""
    inside = Path(sys.prefix).resolve() == VENV.resolve()
    python, said = sys._base_executable if inside else sys.executable, ""
    for way in ["venv"], ["virtualenv"], ["venv", "--without-pip"]:
        for path in set(VENV.iterdir()) - {STAMP}:
            shutil.rmtree(str(path)) if path.is_dir() and not path.is_symlink() else path.unlink()
        made, output = run(python, "-m", *way, str(VENV))
        if made and pip():
            return
        said += output
    sys.exit(f"failed\n{said}\nPython's venv module is incomplete. Install it, and call again. {HELP}")


def prepare(extras):
    """Bring the environment up to date."""
    stamp, key = read_stamp(), fingerprint()
    missing = lack(stamp, key, extras)
    if missing == "nothing":
        return
    if not stamp and (VENV / "pyvenv.cfg").exists():
        sys.exit(f"{VENV} was not made by do.py: move it away, and call again.")
    print("setting up .venv (once, about a minute) ...", end=" ", file=sys.stderr, flush=True)
    start = time.monotonic()
    extras = sorted({*extras, *((stamp and stamp["extras"]) or [])})
    VENV.mkdir(exist_ok=True)
    write_stamp(key, None)
    if missing == "everything" or not pip():
        make_venv()
    project = f".[{','.join(extras)}]" if extras else "."
    installed, output = run(*pip(), "install", "--editable", project)
    if not installed:
        if missing == "extras" and "Installing collected packages" not in output:
            write_stamp(**stamp)  # pip gave up before it touched anything: what worked still works
        sys.exit(f"failed\n{output}\nThe installation failed; pip's words are above.")
    write_stamp(key, extras)
    print(f"done in {time.monotonic() - start:.0f} s", file=sys.stderr)


def become(*command):
    """Hand over to a program, exit code and all."""
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606
    return subprocess.call(command)


def lint():
    failed = [line for line in LINT if subprocess.call([tool(line.split()[0]), *line.split()[1:]])]
    print("failed: " + ", ".join(failed) if failed else "lint passed")
    return 1 if failed else 0


def main(command="", *arguments):
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"mtjfit needs Python 3.11 or newer; this is {platform.python_version()}, {sys.executable}.")
    if command not in EXTRAS or (command == "lint" and arguments):
        print(__doc__)
        return 0 if command in ("-h", "--help") else 2
    for name in "PYTHONPATH", "PYTHONHOME":  # packages from elsewhere must not look installed
        os.environ.pop(name, None)
    os.environ.update(VIRTUAL_ENV=str(VENV), PATH=str(BIN) + os.pathsep + os.environ.get("PATH", ""))
    os.environ.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    try:
        prepare(EXTRAS[command])
    except KeyboardInterrupt:
        sys.exit("interrupted: the next call starts afresh.")
    except OSError as error:
        sys.exit(f"cannot set up {VENV}: {error}. Leave that environment (deactivate), and call again.")
    if command == "demo":
        return become(tool("mtjfit"), "demo", *arguments)
    if command == "docs":
        return become(tool("python"), str(ROOT / "docs" / "build.py"), *arguments)
    os.chdir(str(ROOT))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of two workers on two cores wait for each other
    # all tests: on two cores at once; some of them: without the seconds that workers take to start
    return lint() if command == "lint" else become(tool("python"), "-m", "pytest", *(arguments or WORKERS))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
