"""One word for one thing: no public name stands for two things in the package."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest
from parsed import parsed

PACKAGE = Path(__file__).resolve().parent.parent / "mtjfit"


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Dotted name within `root`, and syntax tree, of each module; a package face ends in ``__init__``."""
    for path in sorted(root.rglob("*.py")):
        yield ".".join(path.relative_to(root).with_suffix("").parts), parsed(path.read_text(encoding="utf-8"))


def defined_twice(root: Path) -> dict[str, list[str]]:
    """Public top-level classes and functions that several modules define, with those modules; faces aside."""
    found = defaultdict(set)
    for module, tree in modules(root):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
                found[node.name].add(module)
    several = {name: sorted(each for each in where if "__init__" not in each) for name, where in found.items()}
    return {name: where for name, where in several.items() if len(where) > 1}


def named_like_a_module(root: Path) -> list[str]:
    """Exports of lazy faces that are also submodules: importing the submodule would replace what the face exports."""
    found = []
    for module, tree in modules(root):
        package, _, last = module.rpartition(".")
        if last != "__init__" or not any("__getattr__" in bound(node) for node in tree.body):
            continue
        folder = root.joinpath(*package.split(".")) if package else root
        inside = {each.stem for each in folder.iterdir() if each.suffix == ".py" or (each / "__init__.py").is_file()}
        whole = submodules_exported(tree, f"{root.name}.{package}".rstrip("."))
        found += [f"{package}.{name}".lstrip(".") for name in exports(tree) if name in inside - whole]
    return found


def submodules_exported(tree: ast.Module, package: str) -> set[str]:
    """Names that a face of `package` imports from the package itself: the export is the submodule."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == package]
    return {alias.name for node in imports for alias in node.names}


def bound(node: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module defines."""
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []


def exports(tree: ast.Module) -> list[str]:
    """The names in ``__all__``."""
    return next((ast.literal_eval(node.value) for node in tree.body if bound(node) == ["__all__"]), [])


def missing_homes(root: Path) -> list[str]:
    """Names that a face promises on demand (``_HOMES``), and that the module it names does not define."""
    found = []
    for module, tree in modules(root):
        face = f"{root.name}.{module}".removesuffix(".__init__")
        served = (node for node in tree.body if bound(node) == ["_HOMES"])
        for home, names in (pair for node in served for pair in ast.literal_eval(node.value).items()):
            place = root.parent.joinpath(*resolve_name(home, face).split("."))
            there = next((each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file()), None)
            defined = parsed(there.read_text(encoding="utf-8")).body if there else []
            known = {name for node in defined for name in (*bound(node), *imported(node))}
            found += [f"{face}: {home}.{name}" for name in names if there and name not in known]
    return found


def imported(node: ast.stmt) -> list[str]:
    """Names that a statement imports, also while types are checked."""
    inside = node.body if isinstance(node, ast.If) else [node]
    return [alias.name for each in inside if isinstance(each, ast.ImportFrom) for alias in each.names]


def test_no_two_modules_define_the_same_public_name():
    assert sum(1 for _ in modules(PACKAGE)) > 100, "looked in the wrong place"
    assert defined_twice(PACKAGE) == {}


def test_no_export_of_a_lazy_face_is_also_a_submodule():
    assert named_like_a_module(PACKAGE) == []


def test_every_name_on_demand_is_where_its_face_says():
    assert missing_homes(PACKAGE) == []


def test_sabotage_a_name_that_has_moved_is_seen(tmp_path: Path):
    (tmp_path / "fit.py").write_text("def fit(): ...\nSTARTS: int = 8\n", encoding="utf-8")
    # a home whose folder was deleted is said when it is asked for
    (tmp_path / "__init__.py").write_text(
        '_HOMES = {".fit": ("fit", "STARTS", "moved"), ".gone": ("x",)}\n', encoding="utf-8"
    )
    assert missing_homes(tmp_path) == [f"{tmp_path.name}: .fit.moved"]


@pytest.mark.parametrize("second", ["class Curve: ...", "def Curve(): ...", "async def Curve(): ..."])
def test_sabotage_a_second_definition_is_seen(second: str, tmp_path: Path):
    (tmp_path / "wing").mkdir()
    (tmp_path / "curve.py").write_text("class Curve:\n    def draw(self): ...\ndef _row(): ...\n", encoding="utf-8")
    # neither methods, private names nor faces count
    (tmp_path / "wing" / "plot.py").write_text("def draw(): ...\ndef _row(): ...\n", encoding="utf-8")
    (tmp_path / "wing" / "__init__.py").write_text("class Curve: ...\n", encoding="utf-8")
    assert defined_twice(tmp_path) == {}
    (tmp_path / "wing" / "plot.py").write_text(f"{second}\n", encoding="utf-8")
    assert defined_twice(tmp_path) == {"Curve": ["curve", "wing.plot"]}


@pytest.mark.parametrize("lazy", ["__getattr__ = names_on_demand(__name__, {})", "def __getattr__(name): ..."])
@pytest.mark.parametrize("module", ["fit.py", "fit/__init__.py"])
def test_sabotage_an_export_with_the_name_of_a_submodule_is_seen(lazy: str, module: str, tmp_path: Path):
    face = tmp_path / "infer" / "__init__.py"
    (tmp_path / "infer" / module).parent.mkdir(parents=True)
    (tmp_path / "infer" / module).write_text("", encoding="utf-8")
    face.write_text('__all__ = ["fit", "sample"]\n', encoding="utf-8")
    assert named_like_a_module(tmp_path) == []
    face.write_text(f'__all__ = ["fit", "sample"]\n{lazy}\n', encoding="utf-8")
    assert named_like_a_module(tmp_path) == ["infer.fit"]
    face.write_text(f'from {tmp_path.name}.infer import fit\n__all__ = ["fit", "sample"]\n{lazy}\n', encoding="utf-8")
    assert named_like_a_module(tmp_path) == []
