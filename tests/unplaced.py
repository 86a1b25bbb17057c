"""Problems of study files without the place of the file and the line, for tests of what they say."""

from __future__ import annotations

import re


def unplaced(message: str) -> str:
    """``study.toml: data`` of ``/tmp/x/study.toml:3: data``, in each line."""
    bare = re.sub(r"(?m)^\S*[/\\](?=\w+\.toml:)", "", message)
    return re.sub(r"(?m)^(\w+\.toml):\d+: (?!is not TOML)", r"\1: ", bare)
