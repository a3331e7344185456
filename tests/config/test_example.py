"""The example is the documentation: complete, true and loadable unchanged."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from koha_ill_sidecar.config.jobs import JOBS
from koha_ill_sidecar.config.loading import known_keys, load_settings, parse_settings
from koha_ill_sidecar.config.settings import CallbackMapping
from koha_ill_sidecar.resources import data_path

EXAMPLE = data_path("config.example.yaml")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"

# Names that a library chooses, or placeholders for them.
_FREE = re.compile(r"^backends\.[^.]+|(mapping\.(?:fields|statuses))\..*$")


def keys_of(document: object, path: str = "") -> Iterator[str]:
    if isinstance(document, Mapping) and document:
        for key, value in document.items():
            yield from keys_of(value, f"{path}.{key}" if path else str(key))
    elif isinstance(document, list):
        yield from (
            (f"{path}[]" for _ in [0])
            if not any(isinstance(item, dict) for item in document)
            else (key for item in document for key in keys_of(item, f"{path}[]"))
        )
    else:
        yield path


def normalised(key: str) -> str:
    return _FREE.sub(lambda found: f"{found[1]}.*" if found[1] else "backends.*", key, count=2)


def test_the_example_loads_unchanged() -> None:
    settings = load_settings(EXAMPLE, environment={})

    assert settings.koha.database.database == "koha_library"


def test_the_example_has_exactly_the_known_keys() -> None:
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))

    assert {normalised(key) for key in keys_of(document)} == known_keys()


def test_the_example_shows_the_defaults() -> None:
    example = load_settings(EXAMPLE, environment={})
    plain = parse_settings(
        {"koha": {"database": {"name": "koha_library", "user": "koha_ill_sidecar", "password": "change me"}}},
        environment={},
    )

    assert dataclasses.replace(example, backends={}, source=None) == plain


def test_the_example_shows_the_defaults_of_a_backend() -> None:
    shown = load_settings(EXAMPLE, environment={}).backends["ExampleSupplier"].callbacks
    assert shown is not None
    plain = parse_settings(
        {
            "koha": {"database": {"name": "n", "user": "u"}},
            "backends": {"V": {"callbacks": {"authentication": [{"method": "bearer", "tokens": ["t"]}]}}},
        },
        environment={},
    ).backends["V"]

    assert plain.enabled
    assert dataclasses.replace(shown, authentication=(), mapping=None) == dataclasses.replace(
        plain.callbacks or shown, authentication=()
    )
    assert isinstance(shown.mapping, CallbackMapping)


def test_no_line_of_the_example_is_too_long_to_read() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("key", sorted(known_keys()))
def test_the_reference_documents_every_key(key: str) -> None:
    text = REFERENCE.read_text(encoding="utf-8")

    assert f"`{key.replace('[]', '').removesuffix('.*').replace('*', 'NAME')}`" in text


def everything_read(directory: Path) -> Any:
    return "\n".join(
        path.read_text(encoding="utf-8")
        for path in directory.rglob("*.py")
        if path.parent.name != "config" or path.name == "loading.py"
    )


@pytest.mark.parametrize(
    "key", sorted({key.rstrip("[]").split(".")[-1] for key in known_keys()} - {"*", "method", *JOBS})
)
def test_every_setting_is_read_somewhere(key: str) -> None:
    code = everything_read(Path(__file__).parents[2] / "koha_ill_sidecar")

    assert re.search(rf"\.{key}\b", code)
