"""What a picture in a file consists of, to be held against another one."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

_SVG = "{http://www.w3.org/2000/svg}"
_POWER = re.compile(r"10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+( ·)? (?=\D)|(?<= )/ \$10\^\{[-\d]+\}\$")


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
