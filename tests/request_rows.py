"""Random rows of requests, and a search through them that needs no index, to compare the index with."""

from collections.abc import Sequence
from datetime import date

from hypothesis import strategies as st

from koha_ill_sidecar.domain.request_index.documents import RequestRows
from koha_ill_sidecar.domain.request_index.filters import RequestFilter
from koha_ill_sidecar.domain.request_index.terms import fold

STATUSES = ("NEW", "REQ", "COMP", "RET")
ALIASES = ("WAITING", "CHASED")
LIBRARIES = ("CPL", "MPL")
TYPES = ("book", "article")
_WORDS = (
    "history", "historian", "prehistory", "On", "Zürich", "STRASSE", "Straße", "978-3-16-148410-0", "9783161484100",
    "圖書館", "図書", "カメラ", "ｶﾒﾗ", "가나다", "Łódź", "a", "b2", "２０２６", "o'Brien", "%", "_",
)  # fmt: skip

texts = st.lists(st.sampled_from(_WORDS) | st.text(min_size=1, max_size=6), max_size=5).map(" ".join)
days = st.dates(date(2023, 11, 20), date(2025, 2, 10))


@st.composite
def request_rows(draw: st.DrawFn, illrequest_id: int = 1) -> RequestRows:
    """Return a request as Koha may store it."""
    columns = {
        "status": draw(st.sampled_from(STATUSES)),
        "status_alias": draw(st.none() | st.sampled_from(ALIASES)),
        "branchcode": draw(st.sampled_from(LIBRARIES)),
        "backend": draw(st.sampled_from(("Standard", "FreeForm"))),
        "batch_id": draw(st.none() | st.sampled_from(("1", "2"))),
        "borrowernumber": draw(st.none() | st.sampled_from(("5", "6"))),
        "placed": draw(st.none() | days.map(str)),
        "updated": f"{draw(days)} 10:11:12",
        "notesstaff": draw(st.none() | texts),
        "cost": draw(st.sampled_from((None, "3", "12.50", "free"))),
    }
    return RequestRows(
        illrequest_id=illrequest_id,
        columns=columns,
        patron={
            "surname": draw(texts),
            "firstname": draw(texts),
            "cardnumber": draw(st.sampled_from((None, "20000005"))),
        },
        library_name=draw(st.none() | texts),
        batch_name=None,
        comments=draw(st.integers(0, 12)),
        attributes=[("type", draw(st.sampled_from(TYPES))), ("title", draw(texts)), ("isbn", draw(texts))],
    )


def _some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.just(()).map(list) | st.lists(st.sampled_from(values), unique=True)


_typed = (
    st.just("") | st.sampled_from([word[start : start + 4] for word in _WORDS for start in range(3)]) | texts
)

filters = st.builds(
    RequestFilter,
    keyword=_typed,
    statuses=_some(STATUSES),
    plain_statuses=_some(STATUSES),
    aliases=_some(ALIASES),
    placed_from=st.none() | days,
    placed_to=st.none() | days,
    updated_from=st.none() | days,
    updated_to=st.none() | days,
    branchcodes=_some(LIBRARIES),
    borrowernumber=st.sampled_from((None, None, 5, 6)),
    patron=st.just("") | _typed,
    backends=_some(("Standard", "FreeForm")),
    types=_some(TYPES),
    batch_id=st.sampled_from((None, None, 1)),
    hidden=_some((*STATUSES, *ALIASES)),
)


def is_found(wanted: RequestFilter, rows: RequestRows, *, whatever_status: bool = False) -> bool:
    """Return whether a list with this filter must show a request."""
    return (
        (whatever_status or _has_status(wanted, rows))
        and rows.columns["status"] not in wanted.hidden
        and rows.columns["status_alias"] not in wanted.hidden
        and _is_in(wanted.placed_from, wanted.placed_to, rows.columns["placed"])
        and _is_in(wanted.updated_from, wanted.updated_to, rows.columns["updated"])
        and _is_one_of(wanted.branchcodes, rows.columns["branchcode"])
        and _is_one_of(wanted.backends, rows.columns["backend"])
        and _is_one_of(wanted.types, dict(rows.attributes)["type"])
        and (wanted.borrowernumber is None or str(wanted.borrowernumber) == rows.columns["borrowernumber"])
        and (wanted.batch_id is None or str(wanted.batch_id) == rows.columns["batch_id"])
        and _occur(wanted.patron, _patron_texts(rows))
        and _occur(wanted.keyword, _patron_texts(rows) + _other_texts(rows))
    )


def _has_status(wanted: RequestFilter, rows: RequestRows) -> bool:
    if not (wanted.statuses or wanted.plain_statuses or wanted.aliases):
        return True
    status, alias = rows.columns["status"], rows.columns["status_alias"]
    return (
        status in wanted.statuses
        or (status in wanted.plain_statuses and alias is None)
        or alias in wanted.aliases
    )


def _is_in(first: date | None, last: date | None, day: str | None) -> bool:
    if first is None and last is None:
        return True
    return day is not None and str(first or date.min) <= day[:10] <= str(last or date.max)


def _is_one_of(wanted: Sequence[str], value: str | None) -> bool:
    return not wanted or value in wanted


def _patron_texts(rows: RequestRows) -> list[str]:
    return [value or "" for value in rows.patron.values()]


def _other_texts(rows: RequestRows) -> list[str]:
    columns = [
        (value or "")[:10] if name in ("placed", "updated") else value or ""
        for name, value in rows.columns.items()
        if name not in ("batch_id", "borrowernumber")
    ]
    values = [value for _, value in rows.attributes]
    return [str(rows.illrequest_id), *columns, rows.library_name or "", *values]


def _occur(typed: str, texts: list[str]) -> bool:
    words = {word for text in texts for word in fold(text).split()}
    return all(any(part in word for word in words) for part in fold(typed).split())
