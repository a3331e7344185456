"""Read YAML for a configuration: only plain and safe constructs, and a line number for every mistake."""

from pathlib import Path
from typing import Any, NoReturn

import yaml

from koha_ill_sidecar.errors import ConfigurationError

_LARGEST = 1024 * 1024
"""Bytes of a configuration file, or of a file that contains one value."""


class _Loader(yaml.SafeLoader):
    """Loads YAML without duplicate keys, anchors and dates, which only confuse in a configuration."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_mark()
            raise yaml.constructor.ConstructorError(None, None, "anchors and aliases are not supported", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse("a key must be plain text", key_node)
            if key_node.value in seen:
                self._refuse(f"the key {key_node.value!r} is given twice", key_node)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)

    @staticmethod
    def _refuse(problem: str, node: yaml.Node) -> NoReturn:
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _construct_text(loader: _Loader, node: yaml.ScalarNode) -> object:
    return loader.construct_scalar(node)


# No setting is a date: a value such as 2026-01-01 stays text.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_text)


def read(path: Path) -> object:
    """
    Read a YAML file.

    Raises:
        ConfigurationError: It cannot be read or is not valid YAML; names line and column.
    """
    text = read_text(path)
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (the loader is a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigurationError([f"{where}: {error.problem or 'is not YAML'}"]) from error
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from error
    except (RecursionError, ValueError) as error:
        # ValueError: a scalar that looks like a number or base64 but is invalid.
        problem = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigurationError([f"{path}: {problem}"]) from error


def read_text(path: Path) -> str:
    """
    Read a text file of limited size.

    Raises:
        ConfigurationError: It cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise ConfigurationError([f"{path}: there is no such file"]) from error
    except (OSError, ValueError) as error:  # ValueError: an impossible path
        raise ConfigurationError([f"{path}: cannot be read: {getattr(error, 'strerror', error)}"]) from error
    if len(content) > _LARGEST:
        raise ConfigurationError([f"{path}: is larger than {_LARGEST} bytes"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path}: is not UTF-8 text"]) from error
