"""The files that come with the program: SQL, notice templates, the example configuration."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

_PACKAGE = Path(__file__).resolve().parent
_LANGUAGES = {"en": "default", "zh-Hant-TW": "zh-Hant-TW"}  # directory: value of `letter.lang`


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeTemplate:
    """A notice in our wording, as a row of Koha's ``letter`` (module ``ill``, all libraries)."""

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

    An installed wheel carries them under ``_data`` in the package; in a checkout they lie at its top.

    Raises:
        FileNotFoundError: The installation is incomplete.
    """
    for directory in (_PACKAGE / "_data", _PACKAGE.parent):
        if (directory / name).exists():
            return directory / name
    raise FileNotFoundError(f"{name} is missing from the installation of koha-ill-sidecar; install it again")


def sql_directory() -> Path:
    """Return the directory of the SQL files (``koha``, ``migrations``, ``grants.sql``)."""
    return data_path("sql")


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
    Return the statements that grant the sidecar's user its privileges, in order; for one connection.

    Args:
        database: Koha's database.
        user: The user, who must exist.
        host: Where it connects from, as in MariaDB's account names.
    """
    uncommented = "\n".join(
        line for line in grants_text(database, user, host).splitlines() if not line.startswith("--")
    )
    return [statement.strip() for statement in re.split(r";(?:\n|$)", uncommented) if statement.strip()]


def grants_text(database: str, user: str, host: str) -> str:
    """Return ``sql/grants.sql`` with other names put in, comments and all."""
    account = f"{_quoted(user)}@{_quoted(host)}"
    names = {
        "`koha_library`": f"`{database.replace('`', '``')}`",
        "'koha_library'": _quoted(database),
        "'koha_ill_sidecar'@'localhost'": account,
    }
    name = re.compile("|".join(re.escape(name) for name in names))
    text = (sql_directory() / "grants.sql").read_text(encoding="utf-8")

    def put_in(found: re.Match[str]) -> str:
        if literal := found["literal"]:
            # A statement inside a text: its names are put in, then all of it is written as a text again.
            statement = literal[1:-1].replace("''", "'")
            return _quoted(name.sub(lambda inner: names[inner[0]], statement))
        return names[found[0]]

    return re.sub(rf"(?P<literal>'GRANT (?:[^']|'')*')|{name.pattern}", put_in, text)


def _quoted(text: str) -> str:
    """Write a text as an SQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
