"""Strict TOML: files within a size limit, tables as checked objects, and every problem at its key path."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import cache, reduce
from operator import or_
from pathlib import Path
from types import GenericAlias, MappingProxyType, UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.json_schema import GenerateJsonSchema

from mtjfit.errors import ConfigError, DataError, Problem, did_you_mean
from mtjfit.input import BACKSLASH, read_bytes, refuse_names_not_utf8
from mtjfit.text import vanishes
from mtjfit.toml_lines import placed

T = TypeVar("T")

PLACEHOLDER = re.compile(r"<[^<>]*\?>")
"""A value of a template that a person has still to fill in; no file with such a value loads."""
TOML = "toml"
"""Key of a dataclass field's metadata: its annotation in the file, where that differs from the one in Python."""
_MAX_BYTES = 1_000_000
_LEVELS = 20
_MOST_FAULTS = 1000  # of one table, looked at: advice for each takes a millisecond
_TOO_DEEP = "is nested too deeply", "a study file has at most four levels"
_MANY_PARTS = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""")
"""A key of more than forty parts, bare or in quotes."""

# pydantic adds the tag to the place of a problem; no key is written so
WORD, TABLE, NUMBER = Tag("<word>"), Tag("<table>"), Tag("<number>")
WORD_OR_TABLE = Discriminator(lambda value: TABLE.tag if isinstance(value, dict) else WORD.tag)
WORD_OR_NUMBER = Discriminator(lambda value: WORD.tag if isinstance(value, str) else NUMBER.tag)
_TAGS = (WORD.tag, TABLE.tag, NUMBER.tag)

_KINDS = {
    "string_too_short": ("is empty", "correct it"),
    "missing": ("is missing", "add it"),
    "string_type": ("is not a string", 'write it in quotes, such as "text"'),
    "float_type": ("is not a number", "write a number without quotes"),
    "int_type": ("is not a whole number", "write a whole number without quotes"),
    "bool_type": ("is neither true nor false", "write true or false without quotes"),
    "tuple_type": ("is not a list", "write it in square brackets"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), ("is not a table", "correct it")),
}
"""What is wrong, and what to do, by pydantic's kinds of errors."""


class TomlTable(BaseModel):
    """A table of a file: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Shape(TomlTable):
    """The keys of a table that is a dataclass in Python; whether they make sense, the dataclass checks."""

    made_of: ClassVar[type]


@dataclass
class CollectedProblems:
    """Problems of a study file itself (key paths, without its name), and those of data files."""

    config: list[Problem] = field(default_factory=list)
    data: list[Problem] = field(default_factory=list)

    def keep(self, found: T | list[Problem]) -> T | None:
        """An object that was validated; None, and its problems are kept, where it was not."""
        if isinstance(found, list):
            self.config += found
            return None
        return found

    @contextmanager
    def catching(self, where: str = "") -> Iterator[None]:
        """Keep the problems of an error raised inside; `where` is the key path of a declaration."""
        try:
            yield
        except ConfigError as error:
            self.config += prefixed(error.problems, where)
        except DataError as error:
            self.data += error.problems

    def refuse(self, name: str | Path, text: str = "") -> None:
        """Raise all problems at once: ConfigError if the file `name` of this text has any, DataError if only its data
        files do.
        """
        blank = {problem.where for problem in self.config if "placeholder" in problem.what}
        config = [problem for problem in self.config if problem.where not in blank or "placeholder" in problem.what]
        problems = list(dict.fromkeys([*placed(config, name, text), *self.data]))
        if config:
            raise ConfigError(problems)
        if problems:
            raise DataError(problems)


def prefixed(problems: Iterable[Problem], prefix: str) -> list[Problem]:
    """The same problems with a longer key path."""
    return [replace(problem, where=prefix + problem.where) for problem in problems]


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Text and content of a file; ConfigError where it cannot be read, is larger than a megabyte, or is not TOML."""
    try:
        text = read_bytes(path, str(path), _MAX_BYTES).decode("utf-8-sig")
    except DataError as error:
        raise ConfigError(error.problems) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), "is not UTF-8", "save it as UTF-8")]) from None
    return text, toml_from(text, str(path))


def declares(path: Path, table: str) -> bool:
    """True for a file with such a table; False where it cannot be read."""
    try:
        return table in read_toml(path)[1]
    except ConfigError:
        return False


def toml_from(text: str, where: str) -> dict[str, Any]:
    """Content of a text that is called `where` in messages; ConfigError where it is not TOML, or nested deeply."""
    try:
        # Looked for first: the parser takes a time that grows with the square of the parts of a key.
        if _MANY_PARTS.search(text) is None:
            raw = tomllib.loads(text, parse_float=_float)
            if not _is_deeper(raw, _LEVELS):
                return raw
        problem = Problem(where, *_TOO_DEEP)
    except RecursionError:
        problem = Problem(where, *_TOO_DEEP)
    except ValueError as error:
        message = str(error)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
        if place is not None:
            message = message[: place.start()]
            where += f":{place[1]}:{place[2]}" if place[1] else ": at the end"
        todo = "strings need quotes, and tables a header such as [data.units]"
        if "\\" in message or "hex value" in message:
            todo = BACKSLASH
        problem = Problem(where, f"is not TOML: {message}", todo)
    raise ConfigError([problem])


def _is_deeper(raw: object, levels: int) -> bool:
    inside = raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ()
    return any(levels == 0 or _is_deeper(each, levels - 1) for each in inside)


def _float(text: str) -> float:
    """The number, or a ValueError where it is none that a computer can hold."""
    value = float(text)
    if math.isinf(value) and "inf" not in text:
        raise ValueError(f"{text[:40]} is too large")
    if vanishes(text, value):
        raise ValueError(f"{text[:40]} is too small")
    return value


def placeholders(raw: object, where: str = "") -> Iterator[Problem]:
    """Every value that a person has still to fill in."""
    if isinstance(raw, str) and PLACEHOLDER.fullmatch(raw):
        yield Problem(where, f"still holds the placeholder {raw!r}", "replace it; only you can know")
    elif isinstance(raw, Mapping):
        for key, each in raw.items():
            yield from placeholders(each, f"{where}.{key}".lstrip("."))
    elif isinstance(raw, list):
        for i, each in enumerate(raw):
            yield from placeholders(each, f"{where}[{i}]")


def validated(
    model: type[T], raw: object, where: str, advice: Mapping[str, str] = MappingProxyType({})
) -> T | list[Problem]:
    """A table of a file, as `tomllib` parses it, made into an object, or every problem of it.

    A dataclass in place of a `TomlTable` has its fields as keys, and a ConfigError that it raises is returned. `where`
    is the key path of the table, such as ``data[0]``; `advice` gives remedies by key.

    >>> class Named(TomlTable):
    ...     name: str
    >>> for problem in validated(Named, {"nam": "series"}, "study"):
    ...     print(problem)
    study.name: is missing; add it
    study.nam: is no key; did you mean 'name'?
    """
    anything: Any = model
    shape: type[BaseModel] = _shape(anything)
    try:
        made: T = _made(shape.model_validate(_with_tuples(raw)))
        return made
    except ValidationError as error:
        faults = error.errors(include_url=False)[:_MOST_FAULTS]
        return [_problem(shape, dict(each), where, advice) for each in faults]
    except ConfigError as error:
        start = f"{where}."
        return [each if each.where.startswith(start) else replace(each, where=start + each.where)
                for each in error.problems]  # fmt: skip


def _with_tuples(raw: object) -> object:
    if isinstance(raw, list):
        return tuple(_with_tuples(each) for each in raw)
    return {key: _with_tuples(each) for key, each in raw.items()} if isinstance(raw, dict) else raw


@cache
def _shape(model: Any) -> Any:
    """The model itself, or one with a key for each field of a dataclass."""
    if issubclass(model, BaseModel):
        return model
    hints, keys = get_type_hints(model, include_extras=True), dict[str, Any]()
    for each in fields(model):
        default: Any = ...
        if each.default is not MISSING:
            default = each.default
        elif each.default_factory is not MISSING:
            default = Field(default_factory=each.default_factory)
        keys[each.name] = (_shaped(each.metadata.get(TOML, hints[each.name])), default)
    shape = create_model(model.__name__, __base__=_Shape, **keys)
    shape.made_of = model
    return shape


def _shaped(hint: Any) -> Any:
    """An annotation with the dataclasses in it replaced by their shapes."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _shape(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(_shaped(arguments[0]), *arguments[1:])]
    if origin in (Union, UnionType):
        return reduce(or_, map(_shaped, arguments))
    return GenericAlias(tuple, tuple(map(_shaped, arguments))) if origin is tuple else hint


def _made(value: Any) -> Any:
    """The dataclass of a shape, and of all shapes in it."""
    if isinstance(value, _Shape):
        return value.made_of(**{name: _made(getattr(value, name)) for name in type(value).model_fields})
    return tuple(map(_made, value)) if isinstance(value, tuple) else value


def _problem(model: type[BaseModel], error: Mapping[str, Any], where: str, advice: Mapping[str, str]) -> Problem:
    path, kind = [key for key in error["loc"] if key not in _TAGS], error["type"]
    spelled = (where + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)).lstrip(".")
    last = str(path[-1] if path else where)
    if kind == "extra_forbidden":
        return Problem(spelled, "is no key", did_you_mean(last, _keys(model, path[:-1])))
    if kind == "literal_error":
        choices = [word.strip().strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        todo = advice.get(last) or did_you_mean(str(error["input"]), choices)
        return Problem(spelled, f"is {error['input']!r}", todo)
    if kind == "too_long" or (kind == "missing" and isinstance(path[-1], int)):
        # a list of fixed length that is too short is reported at its first missing entry
        spelled = re.sub(r"\[\d+\]$", "", spelled) if kind == "missing" else spelled
        return Problem(spelled, "has the wrong number of entries", advice.get("[]", "write two numbers in brackets"))
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "is not")
    what, todo = _KINDS.get(kind, (message, "correct it"))
    return Problem(spelled, what, advice.get(last) or todo)


def _keys(model: type[BaseModel], path: Iterable[object]) -> list[str]:
    """Keys that the table at `path` inside `model` may have."""
    for key in path:
        if key in model.model_fields:
            model = next(_models(model.model_fields[str(key)].annotation), model)
    return list(model.model_fields)


def _models(hint: Any) -> Iterator[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for each in get_args(hint):
        yield from _models(each)


def read_later(hint: Any) -> PlainValidator:
    """Annotation of a table that its own code reads: anything is valid, and the JSON schema is that of `hint`."""
    return PlainValidator(_unread, json_schema_input_type=file_shape(hint))


def _unread(value: object) -> object:
    return value


def file_shape(hint: Any) -> Any:
    """What a key takes in a file: the annotation, with models in place of the dataclasses in it."""
    return _shaped(hint)


class _Schema(GenerateJsonSchema):
    """Without a warning for defaults that are objects of Python: those are left out."""

    ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012 - as pydantic declares it


def json_schema(model: type[BaseModel], advice: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """JSON schema of a file, from the models that check it; `advice` describes keys.

    It knows keys, types and choices; that numbers and names fit one another, only loading the file checks.

    >>> class Named(TomlTable):
    ...     name: str
    >>> json_schema(Named, {"name": "name it"})["properties"]
    {'name': {'type': 'string', 'description': 'name it'}}
    """
    made = TypeAdapter(file_shape(model)).json_schema(schema_generator=_Schema)
    found: dict[str, Any] = _plain_schema(made, advice)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def schema_line(kind: str) -> str:
    """First lines of a template: where an editor finds the schema of the file, and the command that writes it.

    >>> print(schema_line("study"))
    #:schema ./study.schema.json
    # (an editor completes and checks this file after: mtjfit schema study -o study.schema.json)
    """
    file = f"{kind}.schema.json"
    return f"#:schema ./{file}\n# (an editor completes and checks this file after: mtjfit schema {kind} -o {file})"


def _plain_schema(schema: Any, advice: Mapping[str, str]) -> Any:
    """Without titles and nulls, which TOML does not know, and with descriptions of keys."""
    if isinstance(schema, list):
        return [_plain_schema(each, advice) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        kinds = [each for each in schema["anyOf"] if each != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, "anyOf": kinds}
    found = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            found[key] = {name: _plain_schema(each, advice) for name, each in value.items()}
        elif not (key == "title" or (key == "default" and value is None)):
            found[key] = _plain_schema(value, advice)
    for name, each in found.get("properties", {}).items():
        if name in advice:
            each.setdefault("description", advice[name])
    return found


def toml_string(text: str) -> str:
    """A TOML basic string that holds exactly this text; DataError for halves of surrogate pairs, which none holds."""
    refuse_names_not_utf8([text])
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def toml_value(value: object) -> str:
    """A value as it stands behind ``=`` in one line of TOML, numbers to the last bit; TypeError for other types.

    >>> toml_value({"prior": "normal", "sd": 1e-7, "low": -math.inf, "of": ["a", True, 2]})
    '{ prior = "normal", sd = 1e-07, low = -inf, of = ["a", true, 2] }'
    """
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_toml_key(key)} = {toml_value(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    raise TypeError(f"{type(value).__name__} has no place in TOML")


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_string(key)
