"""The files that come with the program: SQL, notice templates, the example configuration."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

_PACKAGE = Path(__file__).resolve().parent
_LANGUAGES = {"en": "default", "zh-Hant-TW": "zh-Hant-TW"}  # directory: value of `letter.lang`


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeTemplate:
    """A notice template that comes with the program, as a row of Koha's ``letter`` (module ``ill``, all libraries)."""

    code: str
    name: str
    transport: str
    lang: str  # "default" stands for English, as in Koha
    title: str
    content: str
    is_html: bool


def data_path(name: str) -> Path:
    """
    Return the path of packaged data, such as ``sql`` or ``koha_templates``.

    An installed wheel has them in ``_data`` in the package; a checkout has them at its top level.

    Raises:
        FileNotFoundError: The installation is incomplete.
    """
    for directory in (_PACKAGE / "_data", _PACKAGE.parent):
        if (directory / name).exists():
            return directory / name
    raise FileNotFoundError(f"{name} is missing from the installation of koha-ill-sidecar; install it again")


def notice_templates() -> tuple[NoticeTemplate, ...]:
    """Read the ILL notices that come with the program, sorted by code, transport and language."""
    templates = [
        _read_template(path, lang=lang)
        for directory, lang in _LANGUAGES.items()
        for path in (data_path("koha_templates") / "notices" / directory).glob("*.txt")
    ]
    return tuple(sorted(templates, key=lambda template: (template.code, template.transport, template.lang)))


def _read_template(path: Path, *, lang: str) -> NoticeTemplate:
    code, transport, _ = path.name.split(".")
    _, header, content = path.read_text(encoding="utf-8").split("---\n", 2)
    fields = yaml.safe_load(header)
    return NoticeTemplate(
        code=code,
        name=fields["name"],
        transport=transport,
        lang=lang,
        title=fields["title"],
        content=content,
        is_html=fields["is_html"],
    )


def grants_sql(*, database: str, user: str, host: str) -> list[str]:
    """
    Return the statements that grant the sidecar's user its privileges. Run them in this order on one connection.

    Args:
        database: Koha's database.
        user: The user, who must exist.
        host: The host part of MariaDB's account name.
    """
    uncommented = "\n".join(
        line for line in grants_text(database, user, host).splitlines() if not line.startswith("--")
    )
    return [statement.strip() for statement in re.split(r";(?:\n|$)", uncommented) if statement.strip()]


def grants_text(database: str, user: str, host: str) -> str:
    """Return ``sql/grants.sql``, including its comments, with other names."""
    account = f"{_quoted(user)}@{_quoted(host)}"
    names = {
        "`koha_library`": f"`{database.replace('`', '``')}`",
        "'koha_library'": _quoted(database),
        "'koha_ill_sidecar'@'localhost'": account,
    }
    name = re.compile("|".join(re.escape(name) for name in names))
    text = (data_path("sql") / "grants.sql").read_text(encoding="utf-8")

    def replace(found: re.Match[str]) -> str:
        if literal := found["literal"]:
            # A statement inside an SQL literal: unquote it, replace the names, and quote it again.
            statement = literal[1:-1].replace("''", "'")
            return _quoted(name.sub(lambda inner: names[inner[0]], statement))
        return names[found[0]]

    return re.sub(rf"(?P<literal>'GRANT (?:[^']|'')*')|{name.pattern}", replace, text)


def _quoted(text: str) -> str:
    """Quote a text as an SQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
