"""
Read plain values into dataclasses: the fields are the keys, and their type hints define the valid values.

A section may have a method `mistakes` that checks combinations of its values. The metadata of a field may contain
`minimum` and `maximum`, or `absent_without`: the key without which the whole section counts as not given.
"""

# ruff: noqa: ANN401 (type hints are data here, and the values can be of any type)

import dataclasses
import difflib
import functools
import operator
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

from koha_ill_sidecar.config.values import IPNetwork, ListenAddress, Schedule, Secret, parse_duration
from koha_ill_sidecar.config.yaml_file import read_text
from koha_ill_sidecar.errors import ConfigurationError

_WRONG = object()
"""Stands for an invalid value whose mistake has been reported."""

_NO_METADATA: Mapping[str, Any] = types.MappingProxyType({})

_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

Section = TypeVar("Section")


def read(
    section: type[Section], given: object, *, directory: Path, environment: Mapping[str, str]
) -> Section:
    """
    Read a document into the dataclass *section*.

    Args:
        given: The parsed YAML.
        directory: The base of relative paths.
        environment: For ``{env: NAME}``.

    Raises:
        ConfigurationError: Names every mistake with the path of its key.
    """
    reader = _Reader(section, directory, environment)
    value = reader.value(section, given, "")
    if reader.problems or not isinstance(value, section):
        raise ConfigurationError(reader.problems)
    return value


def keys_below(hint: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every key that *hint* allows; ``*`` stands for any name, ``[]`` for an item of a list."""
    if _is_optional(hint):
        yield from keys_below(_without_none(hint), path)
    elif _is_choice_of_sections(hint):
        yield _join(path, "method")
        for section in typing.get_args(hint):
            yield from keys_below(section, path)
    elif typing.get_origin(hint) is tuple:
        yield from keys_below(typing.get_args(hint)[0], f"{path}[]")
    elif typing.get_origin(hint) is Mapping:
        yield from keys_below(typing.get_args(hint)[1], _join(path, "*"))
    elif _is_section(hint):
        hints = typing.get_type_hints(hint)
        for entry in dataclasses.fields(hint):
            yield from keys_below(hints[entry.name], _join(path, entry.name))
    else:
        yield path


class _Reader:
    """Reads values by their type hints and collects mistakes."""

    def __init__(self, root: type[Any], directory: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._directory = directory
        self._environment = environment
        self.problems: list[str] = []

    def value(self, hint: Any, given: object, path: str, metadata: Mapping[str, Any] = _NO_METADATA) -> Any:
        """Read one value; return ``_WRONG`` after reporting a mistake."""
        given = self._resolved(given, path)
        if given is _WRONG:
            return _WRONG
        if _is_optional(hint):
            return None if given is None else self.value(_without_none(hint), given, path, metadata)
        if given is None:
            return self._wrong(path, "is empty; give a value, or leave the key out for its default")
        if _is_section(hint):
            return self._section(hint, given, path)
        if _is_choice_of_sections(hint):
            return self._one_of(typing.get_args(hint), given, path)
        if typing.get_origin(hint) is tuple:
            return self._list(typing.get_args(hint)[0], given, path)
        if typing.get_origin(hint) is Mapping:
            return self._mapping(typing.get_args(hint)[1], given, path)
        return self._scalar(hint, given, path, metadata)

    def _resolved(self, given: object, path: str) -> object:
        """Replace ``{file: PATH}`` and ``{env: NAME}`` by their values."""
        match given:
            case {"file": str(name), **rest} if not rest:
                try:
                    return read_text(self._directory / _read_path(name)).rstrip("\r\n")
                except (ConfigurationError, ValueError) as error:
                    return self._wrong(path, str(error))
            case {"env": str(name), **rest} if not rest:
                if name in self._environment:
                    return self._environment[name]
                return self._wrong(path, f"the environment variable {name} is not set")
        return given

    def _section(self, section: type[Any], given: object, path: str, ignored: Sequence[str] = ()) -> Any:
        if not isinstance(given, dict):
            return self._wrong(path, f"must be a group of keys, not {_kind(given)}")
        entries = {entry.name: entry for entry in dataclasses.fields(section)}
        before = len(self.problems)
        for key in given:
            if key not in entries and key not in ignored:
                self._unknown(str(key), path, [*entries, *ignored])
        hints = typing.get_type_hints(section)
        values: dict[str, Any] = {}
        for name, entry in entries.items():
            if name not in given:
                self._require(entry, path)
            elif self._is_absent(entry, given[name]):
                self._refuse_ignored(entry, hints[name], given[name], _join(path, name))
                values[name] = None
            else:
                values[name] = self.value(hints[name], given[name], _join(path, name), entry.metadata)
        return _WRONG if len(self.problems) > before else self._checked(section(**values), path)

    @staticmethod
    def _is_absent(entry: dataclasses.Field[Any], given: object) -> bool:
        deciding = entry.metadata.get("absent_without")
        return isinstance(given, dict) and deciding is not None and given.get(deciding) is None

    def _refuse_ignored(
        self, entry: dataclasses.Field[Any], hint: Any, given: Mapping[str, object], path: str
    ) -> None:
        """Report a section that counts as not given though it differs from the defaults."""
        deciding = entry.metadata["absent_without"]
        defaults = {deciding: "any"}
        values = self.value(hint, {**given, **defaults}, path)
        if values is not _WRONG and values != self.value(hint, defaults, path):
            self._wrong(_join(path, deciding), "is missing; without it, the keys beside it have no effect")

    def _require(self, entry: dataclasses.Field[Any], path: str) -> None:
        if entry.default is MISSING and entry.default_factory is MISSING:
            self._wrong(_join(path, entry.name), "is missing")

    def _checked(self, section: Any, path: str) -> Any:
        mistakes = list(section.mistakes()) if hasattr(section, "mistakes") else []
        for key, problem in mistakes:
            self._wrong(_join(path, key), problem)
        return _WRONG if mistakes else section

    def _one_of(self, sections: Sequence[type[Any]], given: object, path: str) -> Any:
        """Read the section whose ``METHOD`` is the value of ``method``."""
        by_method = {section.METHOD: section for section in sections}
        method = given.get("method") if isinstance(given, dict) else None
        if not isinstance(method, str) or method not in by_method:
            known = ", ".join(by_method)
            return self._wrong(_join(path, "method"), f"must be one of {known}, not {_kind(method)}")
        return self._section(by_method[method], given, path, ignored=["method"])

    def _list(self, hint: Any, given: object, path: str) -> Any:
        if not isinstance(given, list):
            return self._wrong(path, f"must be a list, not {_kind(given)}")
        # Read all items before checking any, so that every mistake is reported.
        values = tuple(self.value(hint, item, f"{path}[{position}]") for position, item in enumerate(given))
        return _WRONG if any(value is _WRONG for value in values) else values

    def _mapping(self, hint: Any, given: object, path: str) -> Any:
        if not isinstance(given, dict):
            return self._wrong(path, f"must be a group of keys, not {_kind(given)}")
        names = {key: str(key) for key in given}
        values = {name: self.value(hint, given[key], _join(path, name)) for key, name in names.items()}
        return _WRONG if any(value is _WRONG for value in values.values()) else values

    def _scalar(self, hint: Any, given: object, path: str, metadata: Mapping[str, Any]) -> Any:
        try:
            if isinstance(hint, type) and issubclass(hint, StrEnum):
                return _read_choice(hint, given)
            value: Any = _SCALARS[hint](given)
        except ValueError as error:
            return self._wrong(path, str(error))
        if isinstance(value, Path):
            return self._directory / value
        lowest, highest = metadata.get("minimum"), metadata.get("maximum")
        if lowest is not None and not lowest <= value <= highest:
            return self._wrong(path, f"must be from {_bound(lowest)} to {_bound(highest)}")
        return value

    def _unknown(self, key: str, path: str, known: Sequence[str]) -> None:
        nearest = _nearest(key, path, known, sorted(keys_below(self._root)))
        self._wrong(_join(path, key), f"is not a known key; the nearest one is `{nearest}`")

    def _wrong(self, path: str, problem: str) -> Any:
        self.problems.append(f"{path}: {problem}" if path else f"the file {problem}")
        return _WRONG


def _read_text_value(given: object) -> str:
    if not isinstance(given, str):
        # YAML has already converted an unquoted 0123 or `no`; the original spelling is lost.
        raise ValueError(f"must be a text, not {_kind(given)}; put it in quotes")  # noqa: TRY004
    if not given.strip():
        raise ValueError("is empty; give a value, or leave the key out for its default")
    return given


def _read_flag(given: object) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.strip().lower() in _FLAGS:
        return _FLAGS[given.strip().lower()]
    raise ValueError(f"must be true or false, not {_kind(given)}")


def _read_number(given: object) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", given):
        return int(given)
    raise ValueError(f"must be a whole number, not {_kind(given)}")


def _read_path(given: object) -> Path:
    try:
        return Path(_read_text_value(given)).expanduser()
    except RuntimeError:
        raise ValueError("begins with the home directory of an unknown user") from None


def _read_network(given: object) -> IPNetwork:
    try:
        return ip_network(_read_text_value(given), strict=False)
    except ValueError:
        raise ValueError(f"must be an address or network such as 10.0.0.0/8, not {_kind(given)}") from None


def _read_schedule(given: object) -> Schedule:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return Schedule.parse(str(given) if is_number else _read_text_value(given))


def _read_choice(hint: type[StrEnum], given: object) -> StrEnum:
    # YAML 1.1 reads an unquoted `no` or `off` as false; none of our choices has such a name.
    if isinstance(given, str) and given in set(hint):
        return hint(given)
    raise ValueError(f"must be one of {', '.join(hint)}, not {_kind(given)}")


_SCALARS: Mapping[Any, Callable[[object], Any]] = {
    bool: _read_flag,
    int: _read_number,
    str: _read_text_value,
    Path: _read_path,
    Secret: lambda given: Secret(_read_text_value(given)),
    timedelta: parse_duration,
    ListenAddress: lambda given: ListenAddress.parse(_read_text_value(given)),
    Schedule: _read_schedule,
    IPv4Network | IPv6Network: _read_network,
}


def _is_optional(hint: Any) -> bool:
    return types.NoneType in typing.get_args(hint) and isinstance(hint, types.UnionType)


def _without_none(hint: Any) -> Any:
    left = [part for part in typing.get_args(hint) if part is not types.NoneType]
    return functools.reduce(operator.or_, left)


def _is_section(hint: Any) -> bool:
    # Some values (ListenAddress, Schedule) are dataclasses too, but are written as one text.
    return isinstance(hint, type) and dataclasses.is_dataclass(hint) and hint not in _SCALARS


def _is_choice_of_sections(hint: Any) -> bool:
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else ()
    return bool(parts) and all(hasattr(part, "METHOD") for part in parts)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _kind(given: object) -> str:
    """Return the kind of a value for a message; never the value itself, which may be a secret."""
    match given:
        case None:
            return "nothing"
        case bool():
            return "true" if given else "false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a group of keys"
    return "this text" if str(given).strip() else "an empty text"


def _bound(value: object) -> str:
    if not isinstance(value, timedelta):
        return str(value)
    seconds = value.total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds * 1000:g}ms"


def _nearest(key: str, path: str, siblings: Sequence[str], everywhere: Sequence[str]) -> str:
    """Return the known key that was probably meant: one of the same name elsewhere, otherwise the most similar one."""
    paths = {part for full in everywhere for part in _with_parents(full)}
    # Reversed, so that of several keys with the same name the first one in the alphabet remains.
    elsewhere = {full.rpartition(".")[2].rstrip("[]"): full for full in sorted(paths, reverse=True)}
    if key in elsewhere:
        return elsewhere[key]
    if found := difflib.get_close_matches(key, siblings, n=1, cutoff=0.6):
        return _join(path, found[0])
    if found := difflib.get_close_matches(key, elsewhere, n=1, cutoff=0.8):
        return elsewhere[found[0]]
    return _join(path, difflib.get_close_matches(key, siblings, n=1, cutoff=0)[0])


def _with_parents(path: str) -> Iterator[str]:
    parts = path.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))
