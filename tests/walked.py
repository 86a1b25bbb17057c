"""Bundled data in other units as files, and what commands make of both: words, numbers, tables, pictures compared."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from click.testing import CliRunner
from shortcuts import skip_without_wings

import mtjfit
from mtjfit.cli import cli

RTOL = 1e-5
"""Decimal factors move the last digit of every number; draws and fits follow it, searches stop at 1e-8 of χ²."""

_UNITS = re.compile(r"10⁻¹⁹ N m|(?<![\d.])1e-19 N m|hbar/2e/kohm|\(ħ/2e\) kΩ⁻¹|aN m|N m|\bmT\b|\bT\b")
_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")
_VOLATILE = re.compile(r"sha256|fingerprint|version|created|time|seconds|path|file|command|packages|host|python|hash|"
                       r"platform|processors|date|duration|study_text|declared|toml|origin|torkance_unit")  # fmt: skip
_NOT_SHOWN = re.compile(r"(?s)<(script|style|svg)\b.*?</\1>")
_PROVENANCE = re.compile(r"[0-9a-f]{64}|\d{4}-\d\d-\d\dT[\d:+]+|mtjfit run [^<]*")
_APART = 1e-3  # of the size of axes: a tenth of what a line is thick
_DENSITY = re.compile(r"log_evidence|log_density|log_prediction|ln_Z|bound")
_SVG = "{http://www.w3.org/2000/svg}"
_POWER = re.compile(r"10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+( ·)? (?=\D)|(?<= )/ \$10\^\{[-\d]+\}\$")
_PRINTED_DENSITY = re.compile(r"\.(ln Z|sum)$")  # in tables, to two decimals


@dataclass(frozen=True)
class Twin:
    """A bundled study in two units, in folders of their own.

    Attributes
    ----------
    own, other : Path
        Files of the studies.
    s : float
        Numbers of the second are s times those of the first.
    """

    own: Path
    other: Path
    s: float


def rewritten(name: str, folder: Path, unit: str, s: float, *, quick: str = "", per: str = "device") -> Path:
    """A bundled study with its torques, errors and amplitude priors times s, declared in `unit`; returns its file.

    Per volume the numbers are also divided by the thickness, as an effective field is. `quick` goes below [sampling].
    """
    source = mtjfit.dataset(name)
    folder.mkdir(parents=True)
    lines = (source.path / "data.csv").read_text(encoding="utf-8").splitlines()
    head = next(line for line in lines if line.startswith("device"))
    rows = [line.split(",") for line in lines if not line.startswith(("#", "device"))]

    def times(row: list[str]) -> list[str]:
        by = s / float(row[1]) if per == "volume" else s
        return [*row[:3], *(repr(by * float(cell)) for cell in row[3:])]

    text = "\n".join([head, *(",".join(times(row)) for row in rows)]) + "\n"
    (folder / "data.csv").write_text(text, encoding="utf-8")
    study = source.study_file.read_text(encoding="utf-8")
    study = re.sub(r'torque = "[^"]*"', f'torque = "{unit}"', study).replace('per = "device"', f'per = "{per}"')
    study = re.sub(r"(?m)^((?:a1|b2) = .*sd = )([\d.]+)", lambda m: f"{m[1]}{s * float(m[2])!r}", study)
    study = study.split("[sampling]")[0] + "[sampling]\nseed = 1\n" + (quick or "target_ess = 100\nmax_steps = 400\n")
    (folder / "study.toml").write_text(study, encoding="utf-8")
    return folder / "study.toml"


def twin(name: str, tmp_path: Path, units: tuple[str, str], s: float, *, per: str = "device", quick: str = "") -> Twin:
    """A bundled study in two units."""
    files = (rewritten(name, tmp_path / f"{k}" / name, unit, by, per=per, quick=quick)
             for k, (unit, by) in enumerate(zip(units, (1.0, s), strict=True)))  # fmt: skip
    return Twin(*files, s)


def walked(both: Twin, *arguments: str, output: str = "") -> tuple[list[str], str]:
    """What a command says and writes for both; differences in words, and what it said of the first.

    ``{study}`` and ``{folder}`` in the arguments are the study file and its folder; `output` is a folder or a file.
    """
    skip_without_wings(f"mtjfit {' '.join(arguments)}")
    said, codes = [], []
    for study in (both.own, both.other):
        filled = [each.format(study=study, folder=study.parent) for each in arguments]
        # simplified, the same line may keep other points
        with patch.dict(mpl.rcParamsDefault, {"path.simplify": False}):
            done = CliRunner().invoke(cli, filled)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code in (0, 4, 5), done.output
        codes.append(done.exit_code)
        said.append(done.output.replace(str(study.parent), "DIR"))
    found = [] if codes[0] == codes[1] else [f"exit code {codes[0]} and {codes[1]}"]
    found += differences_of_words(*said, both.s)
    if output:
        found += differences_of_files(both.own.parent / output, both.other.parent / output, both.s)
    return found, said[0]


def same(one: float, other: float, s: float) -> bool:
    """Equal but for a power of the factor: of a torque, of a covariance, of their inverse."""
    return any(np.isclose(by * one, other, rtol=RTOL, atol=0.0, equal_nan=True) for by in (1, s, 1 / s, s * s, s**-2))


def _numbers(text: str) -> tuple[str, list[str]]:
    """A text with # for each number, units and room apart, and its numbers."""
    text = _UNITS.sub("U", text).replace("−", "-")
    text = re.sub(r"\(([^()]*)\)e[-+]\d+", r"\1", text)  # (1.30 ± 0.01)e-20
    return re.sub(r"[\s─—_-]+", "", _NUMBER.sub("#", text)), _NUMBER.findall(text)


def differences_of_words(one: str, other: str, s: float) -> list[str]:
    """Lines whose words, or whose numbers in their last printed digit, differ."""
    # sentence by sentence: a longer number moves the ends of lines
    mine, its = ([each for each in re.split(r"\n(?=\S)", text) if each.strip()] for text in (one, other))
    if len(mine) != len(its):
        mine, its = [one], [other]
    found = []
    for a, b in zip(mine, its, strict=True):
        (words, numbers), (other_words, other_numbers) = _numbers(a), _numbers(b)
        alike = len(numbers) == len(other_numbers) and all(
            _printed(x, y, s) or _counts(float(x), float(y), s, 1e-2)
            for x, y in zip(numbers, other_numbers, strict=True)
        )
        if not alike or words != other_words:
            found.append(f"{a!r} and {b!r}")
    return found


def _printed(x: str, y: str, s: float) -> bool:
    """The same digits, or the same number within one unit of the last digit."""
    a, b = float(x), float(y)
    step = 10.0 ** -(len(x.split("e")[0].partition(".")[2]))
    digits = [re.sub(r"e.*|[-+.]", "", text).strip("0") for text in (x, y)]
    if digits[0] == digits[1]:
        return True
    longest = max(len(each) for each in digits)
    close = abs(int(digits[0].ljust(longest, "0") or 0) - int(digits[1].ljust(longest, "0") or 0)) <= 1
    return close or abs(a - b) <= 1.01 * step or same(a, b, s)


def _counts(one: float, other: float, s: float, atol: float = 1e-3) -> bool:
    """Whether two logarithms of densities differ by those of so many torques, one or more."""
    many = (other - one) / -np.log(s)
    return bool(round(many) != 0 and abs(many - round(many)) * abs(np.log(s)) < atol)


def _leaves(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if not _VOLATILE.search(str(key)):
                yield from _leaves(value, f"{path}.{key}")
    elif isinstance(node, list):
        for k, value in enumerate(node):
            yield from _leaves(value, f"{path}[{k}]")
    else:
        yield path, node


def differences_of_values(one: object, other: object, s: float) -> list[str]:
    """Numbers and words of two JSON documents that are not the same."""
    mine, its = dict(_leaves(one)), dict(_leaves(other))
    found = [f"{path} only once" for path in mine.keys() ^ its.keys()]
    for path in mine.keys() & its.keys():
        a, b = mine[path], its[path]
        numbers = [isinstance(each, int | float) and not isinstance(each, bool) for each in (a, b)]
        if all(numbers):
            good = same(float(a), float(b), s)  # type: ignore[arg-type]
            # a density of so many torques: ln Z counts them
            good |= bool(_DENSITY.search(path)) and _counts(float(a), float(b), s)  # type: ignore[arg-type]
            good |= bool(_PRINTED_DENSITY.search(path)) and _counts(float(a), float(b), s, 1e-2)  # type: ignore[arg-type]
            good |= path.endswith("k_hat") and abs(float(a) - float(b)) < 1e-3  # type: ignore[arg-type]  # its own error is 0.05
            # parts of a vector of length one, and correlations, may be zero but for rounding
            good |= any(each in path for each in (".weights.", ".corr(")) and abs(float(a) - float(b)) < 1e-9  # type: ignore[arg-type]
        else:
            good = a == b or (isinstance(a, str) and isinstance(b, str) and not differences_of_words(a, b, s))
        if not good:
            found.append(f"{path}: {a!r} and {b!r}")
    return found


def differences_of_files(one: Path, other: Path, s: float) -> list[str]:
    """Tables, documents and pictures of two folders, or two files."""
    if one.is_file():
        return _of_file(one, other, s)
    names = [{str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()} for root in (one, other)]
    found = [f"only once: {name}" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        found += [f"{name}: {each}" for each in _of_file(one / name, other / name, s)]
    return found


def _of_file(one: Path, other: Path, s: float) -> list[str]:
    if one.suffix == ".csv":
        return differences_of_values(_table(one), _table(other), s)[:8]
    if one.suffix == ".json":
        return differences_of_values(*(json.loads(p.read_text(encoding="utf-8")) for p in (one, other)), s)[:8]
    if one.suffix == ".svg":
        return _of_pictures(one, other, s)
    if one.suffix == ".html":
        return differences_of_words(_text_of_page(one), _text_of_page(other), s)
    if one.suffix == ".npz":
        with np.load(one) as mine, np.load(other) as its:
            return [name for name in mine.files if name == "draws" and not _same_draws(mine[name], its[name], s)]
    return []


def _text_of_page(path: Path) -> str:
    """What is read and what is read aloud, without checksums, times and the figures, which lie beside the page."""
    page = path.read_text(encoding="utf-8")
    text = re.sub(r"\s*<[^>]*>\s*", "\n", _NOT_SHOWN.sub("", page))
    return _PROVENANCE.sub("", "\n".join([text, *re.findall(r'aria-label="([^"]*)"', page)]))


def _same_draws(one: np.ndarray, other: np.ndarray, s: float) -> bool:
    """Each column of draws the same, but for one factor of the whole column."""
    scale = np.abs(one).max(axis=0)
    return all(
        any(np.allclose(by * x, y, rtol=0.0, atol=RTOL * by * size) for by in (1, s))
        for x, y, size in zip(one.T, other.T, scale, strict=True)
    )


def _table(path: Path) -> list[dict[str, object]]:
    """Rows of a table by the names of the columns."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    rows = [[_cell(cell) for cell in row] for row in csv.reader(lines)]
    names = [str(k) if isinstance(name, float) else _UNITS.sub("U", str(name)) for k, name in enumerate(rows[0])]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _cell(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _ticks(words: list[str]) -> list[str]:
    """Digits and signs of the numbers that stand alone."""
    numbers = (re.fullmatch(r"([−-]?)([\d.]+)", word) for word in words)
    return [each[1] + each[2].replace(".", "").strip("0") for each in numbers if each]


def _of_pictures(one: Path, other: Path, s: float) -> list[str]:
    """Groups, where points of lines and ticks lie within their axes, and every word and number."""
    (mine, places, words), (its, other_places, other_words) = shapes_of(one), shapes_of(other)
    if mine != its:
        return [f"{len(mine)} and {len(its)} shapes"]
    found = differences_of_words("\n".join(words), "\n".join(other_words), s)
    found += [] if _ticks(words) == _ticks(other_words) else ["numbers at the axes differ"]
    apart = np.abs(np.array(places) - np.array(other_places)).max(initial=0.0)
    return found if apart < _APART else [*found, f"places differ by {apart:.2g} of their axes"]


def shapes_of(path: Path) -> tuple[list[tuple[str, str]], list[float], list[str]]:
    """Groups of a picture in order and how many points their lines have; places of these and of ticks; texts.

    Places are shares of the axes, which are a little wider where the numbers beside them are shorter. Texts come
    without powers of ten.
    """
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))  # noqa: S314
    found, places, words = list[tuple[str, str]](), list[float](), list[str]()
    corner, size = np.zeros(2), np.ones(2)
    for node in ElementTree.parse(path, parser).iter():  # noqa: S314 - written by the test itself
        if not isinstance(node.tag, str):
            words.append(_POWER.sub("", str(node.text)).strip())
            continue
        tag, gid = node.tag.rpartition("}")[2], node.get("id", "")
        frame = node.find(f".//{_SVG}path") if gid.startswith("axes") else None
        if frame is not None:
            box = _points(frame.get("d", ""))
            corner, size = box.min(axis=0), np.ptp(box, axis=0)
        if tag == "g" and gid and not gid.startswith("text"):
            found.append((tag, re.sub(r"\d+$", "", gid)))
            mark = node.find(f".//{_SVG}use") if re.match("[xy]tick", gid) else None
            if mark is not None and gid[0] in mark.attrib:
                places.append(((float(mark.attrib[gid[0]]) - corner) / size)["xy".index(gid[0])])
        elif "clip-path" in node.attrib:
            # what is filled is drawn from a corner of the figure, not of its axes
            uses = (mark for mark in node.iterfind(_SVG + "use") if mark.get("x") != "0")
            marks = [f"{mark.get('x')} {mark.get('y')}" for mark in uses]
            points = _points(node.get("d", " ".join(marks)))
            found.append((tag, str(len(points))))
            places += ((points - corner) / size).ravel().tolist()
    # a label is broken before its unit where the power of ten makes it too long
    text = re.sub(r"[ \n]\((· )?", " (", "\n".join(word for word in words if word))
    return found, places, text.split("\n")


def _points(drawn: str) -> np.ndarray:
    return np.array(re.findall(r"-?\d[\d.]*", drawn), dtype=float).reshape(-1, 2)
