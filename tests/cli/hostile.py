"""A string that would steer a terminal and forge a line, and what may come out of a command instead."""

from __future__ import annotations

import re

CONTROLS = "\x1b[2J\x07\x9b31m\r\u202e\u2066\u200e\u061c\u2028\u2029\ufeff\u200b\x7f\x85\x08"
HOSTILE = f"A{CONTROLS}\nError: forged"
ALLOWED = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]*")


def assert_harmless(text: str) -> None:
    """No control character but the line feed, no line that a name has forged, no traceback."""
    assert ALLOWED.fullmatch(text), re.sub(ALLOWED, "", text).encode("unicode_escape")
    assert not [line for line in text.splitlines() if line.startswith("Error: forged")]
    assert "Traceback" not in text
    assert "this is a fault" not in text
