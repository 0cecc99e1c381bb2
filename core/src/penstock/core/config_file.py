"""YAML files of people: positions kept, `${NAME:-default}` replaced, errors that name file, line and key.

A file is read into plain values beside an index of dotted key → line. pydantic judges the values; its findings come
out as ConfigError, with the valid key nearest to a wrong one.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from penstock.core.errors import ConfigError

FILE_MAX_BYTES: Final = 4 * 1024 * 1024
"""Any file of people beyond that is a mistake; a device file has a smaller bound of its own."""
DEPTH_MAX: Final = 32
ERRORS_MAX: Final = 50
_VARIABLE = re.compile(r"\$\{([^}:]*)(?::-([^}]*))?\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

Path = tuple[str | int, ...]
_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Origin:
    """Say where values came from: the file, the line of each key path, and the SHA-256 of the text."""

    file: str
    lines: Mapping[Path, int]
    sha256: str

    def line(self, path: Path) -> int | None:
        """Give the line of the key, or of the nearest key above it."""
        for length in range(len(path), -1, -1):
            found = self.lines.get(path[:length])
            if found is not None:
                return found
        return None

    def error(self, message: str, path: Path) -> ConfigError:
        """Make an error at a key path."""
        return ConfigError(message, file=self.file, line=self.line(path), key=dotted(path))


NOWHERE: Final = Origin("<memory>", {}, "0" * 64)


def dotted(path: Iterable[str | int]) -> str:
    """Write a key path as people do: `tags.flow.signal.states[2].value`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_yaml(text: str, *, file: str, environ: Mapping[str, str]) -> tuple[dict[str, Any], Origin]:
    """Read one YAML mapping; ConfigError for syntax, repeated keys, aliases, and names that the environment lacks."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    reader = _Reader(Origin(file, {}, digest), environ)
    if len(text) > FILE_MAX_BYTES:
        message = f"file of {len(text)} characters; at most {FILE_MAX_BYTES}"
        raise ConfigError(message, file=file, line=None, key="")
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _syntax_error(error, file) from None
    if not isinstance(node, yaml.MappingNode):
        message = "the file must be a mapping of keys to values, such as `version: 1`"
        raise ConfigError(message, file=file, line=1, key="")
    values = reader.mapping(node, ())
    return values, Origin(file, reader.lines, digest)


def _syntax_error(error: yaml.YAMLError, file: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    context = getattr(error, "context", None)
    message = f"not YAML: {problem}" + (f" {context}" if context else "")
    return ConfigError(message, file=file, line=mark.line + 1 if mark else None, key="")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen at import
    """Resolve plain scalars by the YAML 1.2 core schema, so that `off`, `no`, `12:30` and dates stay text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own class attribute


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_NUMBER_START: Final = list("-+.0123456789")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"(?:[-+]?[0-9]+|0x[0-9a-fA-F]+)$"), _NUMBER_START)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    _NUMBER_START,
)


class _Reader:
    """Turn nodes into values, noting the line of each key."""

    def __init__(self, origin: Origin, environ: Mapping[str, str]) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self._file = origin.file
        self._environ = environ
        self._seen: set[int] = set()

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self._enter(node, path)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                message = "a key must be plain text"
                raise ConfigError(message, file=self._file, line=line, key=dotted(path))
            key = str(key_node.value)
            here = (*path, key)
            if key in values:
                message = f"{_WORD.get(path, 'key')} {key!r} stands twice, first in line {self.lines[here]}; remove one"
                raise ConfigError(message, file=self._file, line=line, key=dotted(here))
            self.lines[here] = line
            values[key] = self._value(value_node, here)
        return values

    def _value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._enter(node, path)
            return [self._item(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self._value(node, path)

    def _enter(self, node: yaml.Node, path: Path) -> None:
        line = node.start_mark.line + 1
        if len(path) > DEPTH_MAX:
            message = f"nested deeper than {DEPTH_MAX}"
            raise ConfigError(message, file=self._file, line=line, key=dotted(path))
        if id(node) in self._seen:
            message = "anchors and aliases (&, *) of mappings and lists are not read here; write the values out"
            raise ConfigError(message, file=self._file, line=self.lines.get(path, line), key=dotted(path))
        self._seen.add(id(node))

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(node.value)
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return self._integer(text, path)
            case "float":
                return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
            case "str":
                return _VARIABLE.sub(lambda match: self._environment(match, path), text)
            case other:
                message = f"YAML tag {other!r} is not read here; write plain text or a number"
                raise ConfigError(message, file=self._file, line=self._line(path), key=dotted(path))

    def _integer(self, text: str, path: Path) -> int:
        try:
            return int(text, 16) if text.startswith("0x") else int(text)
        except ValueError:
            message = f"{text[:20]}… is too long a number"
            raise ConfigError(message, file=self._file, line=self._line(path), key=dotted(path)) from None

    def _environment(self, match: re.Match[str], path: Path) -> str:
        name, default = match.group(1), match.group(2)
        if not _VARIABLE_NAME.fullmatch(name):
            message = f"{match.group()!r} is no name of the environment; write ${{NAME}} or ${{NAME:-default}}"
            raise ConfigError(message, file=self._file, line=self._line(path), key=dotted(path))
        value = self._environ.get(name) or default
        if value is None:
            message = f"environment variable {name} is not set and has no default; set it or write ${{{name}:-default}}"
            raise ConfigError(message, file=self._file, line=self._line(path), key=dotted(path))
        return value

    def _line(self, path: Path) -> int:
        return self.lines[path]


_WORD: Final[dict[Path, str]] = {("tags",): "tag"}


def validate(model: type[_M], values: object, origin: Origin, *, prefix: Path = ()) -> _M:
    """Give the model; ConfigError (with `others`) for what pydantic finds, at the lines of `prefix` + its key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = list(_from_pydantic(error, values, origin, prefix=prefix))
        raise combined(found) from None


def combined(errors: Iterable[ConfigError]) -> ConfigError:
    """Give the first error by line, with the rest in `others`."""
    first, *rest = sorted(errors, key=lambda error: error.line or 0)
    first.others = tuple(rest[:ERRORS_MAX])
    return first


def _from_pydantic(error: ValidationError, values: object, origin: Origin, *, prefix: Path) -> Iterator[ConfigError]:
    said: set[Path] = set()
    for finding in error.errors(include_url=False):
        path = (*prefix, *_written_path(finding["loc"], values))
        if finding["type"] == _WRONG_KEY:
            path = (*path, finding["ctx"]["key"])
        elif finding["type"] == "missing":
            path = (*path, finding["loc"][-1])
        if path not in said:
            said.add(path)
            yield origin.error(_reason(finding), path)


def _written_path(loc: Path, values: object) -> Path:
    """Leave out what pydantic puts into a location beyond the keys of the file (the tags of unions)."""
    path: list[str | int] = []
    here: Any = values
    for part in loc:
        if isinstance(here, dict):
            found = part in here
        else:
            found = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if found:
            here = here[part]
            path.append(part)
    return tuple(path)


def _reason(finding: Any) -> str:
    kind, context, shown = finding["type"], finding.get("ctx", {}), finding["input"]
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_invalid":
        valid = re.findall(r"'([^']*)'", context["expected_tags"])
        return f"signal kind {context['tag']!r} is not known{suggestion(str(context['tag']), valid)}"
    if kind == "union_tag_not_found":
        return "a signal needs `kind: ...` or `output: ...`"
    text = str(finding["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if kind in ("enum", "literal_error") and isinstance(shown, str):
        text += suggestion(shown, re.findall(r"'([^']*)'", context["expected"]), listed=False)
    if kind in (_WRONG_KEY, "value_error") or isinstance(shown, dict | list):
        return text
    return f"{text}; got {str(shown)[:80]!r}"


def suggestion(wrong: str, valid: Iterable[str], *, listed: bool = True) -> str:
    """Give `; did you mean 'x'?` and the valid words."""
    words = sorted(valid)
    near = difflib.get_close_matches(wrong, words, n=1, cutoff=0.6)
    text = f"; did you mean {near[0]!r}?" if near else ""
    return text + (f" (valid: {', '.join(words)})" if listed and words else "")


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        message = "must be a number, true, false or text"
        raise ValueError(message)
    return value


Scalar = Annotated[bool | int | float | str, BeforeValidator(_scalar)]
"""A plain value of a file."""


class FileModel(BaseModel):
    """Judge one mapping of a file: frozen, and a key that it does not know gets the nearest valid one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, values: Any) -> Any:
        if isinstance(values, dict) and cls.model_config.get("extra") == "forbid":
            valid = {field.alias or name for name, field in cls.model_fields.items()}
            for key in values:
                if key not in valid:
                    text = f"key {str(key)[:80]!r} is not known here{suggestion(str(key), valid)}"
                    raise PydanticCustomError(_WRONG_KEY, "{text}", {"text": text, "key": str(key)})
        return values


_WRONG_KEY: Final = "wrong_key"
