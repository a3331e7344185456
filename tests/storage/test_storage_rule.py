"""
Which module may name which table.

Koha's tables: ``storage/koha`` and ``storage/message_queue``. Ours: ``storage/sidecar`` and ``storage/request_index``,
and ``storage/message_queue`` for our deliveries, because an entry of the queue is both. Each table of ours is written
by one module. The demo is a library of its own and may do anything.
"""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import koha_ill_sidecar
from koha_ill_sidecar.storage.koha.schema import TABLES
from koha_ill_sidecar.storage.sidecar import schema

_PACKAGE = Path(koha_ill_sidecar.__file__).parent
_MODULES = sorted(
    str(path.relative_to(_PACKAGE))
    for path in _PACKAGE.rglob("*.py")
    if path.relative_to(_PACKAGE).parts[0] != "demo"
)
_OWN_TABLES = frozenset(schema.metadata.tables)
_AFTER_KEYWORD = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+`?(\w+)")
_WRITTEN = re.compile(r"\b(?:INSERT(?:\s+IGNORE)?\s+INTO|REPLACE\s+INTO|UPDATE|DELETE\s+FROM)\s+`?(\w+)")
_WRITES = frozenset({"insert", "update", "delete"})


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((_PACKAGE / module).read_text(encoding="utf-8"))


@cache
def _texts(module: str) -> tuple[str, ...]:
    """Return the texts in a module that are not docstrings."""
    tree = _tree(module)
    docstrings = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    return tuple(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    )


@cache
def _koha_tables(module: str) -> set[str]:
    """Return the tables of Koha's in SQL of a module, or in ``koha.table("…")``."""
    named = {found for text in _texts(module) for found in _AFTER_KEYWORD.findall(text)}
    named |= {
        str(node.args[0].value)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "table"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    return named & TABLES.keys()


@cache
def _imported_tables(module: str) -> dict[str, str]:
    """Return the table of ours behind each name that a module imports from the schema."""
    return {
        alias.asname or alias.name: table.name
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and node.module == schema.__name__
        for alias in node.names
        if (table := schema.metadata.tables.get(getattr(getattr(schema, alias.name), "name", ""))) is not None
    }


def _own_tables(module: str) -> set[str]:
    named = {found for text in _texts(module) for found in re.findall(r"\bill_sidecar_\w+", text)}
    return (named | set(_imported_tables(module).values())) & _OWN_TABLES


@cache
def _written_tables(module: str) -> set[str]:
    """Return the tables of ours that a module inserts into, updates or deletes from."""
    written = {found for text in _texts(module) for found in _WRITTEN.findall(text)} & _OWN_TABLES
    imported = _imported_tables(module)
    for node in ast.walk(_tree(module)):
        if not isinstance(node, ast.Call):
            continue
        match node.func, node.args:
            case ast.Name(id=verb), [ast.Name(id=name), *_] if verb in _WRITES and name in imported:
                written.add(imported[name])
            case ast.Attribute(value=ast.Name(id=name), attr=verb), _ if verb in _WRITES and name in imported:
                written.add(imported[name])
    return written


def test_only_the_modules_of_koha_and_the_queue_name_tables_of_koha() -> None:
    elsewhere = {
        module: sorted(tables)
        for module in _MODULES
        if not module.startswith(("storage/koha/", "storage/message_queue/"))
        and (tables := _koha_tables(module))
    }

    assert elsewhere == {}


def test_only_the_modules_of_the_sidecar_and_the_index_name_tables_of_ours() -> None:
    elsewhere = {
        module: sorted(tables)
        for module in _MODULES
        if not module.startswith(("storage/sidecar/", "storage/request_index/"))
        and (tables := _own_tables(module) - _allowed(module))
    }

    assert elsewhere == {}


def _allowed(module: str) -> set[str]:
    return {"ill_sidecar_deliveries"} if module.startswith("storage/message_queue/") else set()


@pytest.mark.parametrize("table", sorted(_OWN_TABLES))
def test_a_table_of_ours_is_written_by_one_module(table: str) -> None:
    writers = [module for module in _MODULES if table in _written_tables(module)]

    assert len(writers) == 1, writers


def test_the_rule_sees_every_way_to_write() -> None:
    found = defaultdict(list)
    for module in _MODULES:
        for table in _written_tables(module):
            found[module].append(table)

    assert found["storage/sidecar/sessions.py"] == ["ill_sidecar_sessions"]  # insert(sessions)
    assert found["storage/sidecar/leases.py"] == ["ill_sidecar_leases"]  # "UPDATE ill_sidecar_leases"
    assert found["storage/sidecar/outbox.py"] == ["ill_sidecar_outbox"]  # outbox.update()


def test_differences_between_versions_of_koha_have_one_place() -> None:
    elsewhere = [
        (module, call)
        for module in _MODULES
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Call)
        and ((call := ast.unparse(node.func)) == "KohaVersion" or call.endswith("koha.has"))
        and module != "storage/koha/features.py"
        and not (call.endswith("koha.has") and module.startswith("storage/"))
    ]

    assert elsewhere == []
