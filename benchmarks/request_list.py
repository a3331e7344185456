"""The list of requests of a large library: pages, filters, orders, keywords, and how soon a change is visible."""

import functools
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from pathlib import Path

from flask.testing import FlaskClient

from benchmarks.harness import (
    DATABASE,
    PASSWORD,
    USER,
    Result,
    library_server,
    percentile,
    settings_for,
    under,
)
from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite, KohaSettings, Settings
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.domain.request_index.documents import Column, Facet
from koha_ill_sidecar.domain.request_index.filters import RequestFilter, Sort
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.operations import watch
from koha_ill_sidecar.services.request_index import indexing
from koha_ill_sidecar.services.request_index import search as request_search
from koha_ill_sidecar.services.request_index.search import FoundRequests
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import staff_accounts
from koha_ill_sidecar.storage.sidecar import sessions
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.app import create_app
from koha_ill_sidecar.web.staff.session import COOKIE as SESSION_COOKIE

_LARGE, _QUICK, _SMALL = 1_000_000, 100_000, 10_000
_PAGE_MS, _SEARCH_MS, _FRESH_SECONDS, _AS_SMALL = 100, 300, 5, 3
_SUPERLIBRARIAN = 1  # of the sample library
_RUN_SECONDS = 2.0  # from one run of the job to the next


_NEWEST_FIRST = Sort()


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """A page of the list with its filter and order."""

    wanted: RequestFilter
    sort: Sort = _NEWEST_FIRST
    page: int = 1


def list_page(*, quick: bool) -> Result:
    """Measure pages of the whole list: every column in both directions; first pages, middle, last page."""
    return _compared("list_page", _pages, limit_ms=_PAGE_MS, quick=quick)


def list_filters(*, quick: bool) -> Result:
    """Measure every filter alone and some combined, in every order, first and second page."""
    return _compared("list_filters", _filtered, limit_ms=_PAGE_MS, quick=quick)


def search(*, quick: bool) -> Result:
    """Measure keywords: common and rare words, parts of words and numbers, one character, several words."""
    return _compared("search", _keywords, limit_ms=_SEARCH_MS, quick=quick)


def search_freshness(*, quick: bool) -> Result:
    """Measure the longest time until a change made in Koha is found, while the daemon's jobs run."""
    size = _QUICK if quick else _LARGE
    database, server = _library(size), library_server(requests=size)
    writers = _koha(server)
    with _worker(database, server):
        times = [_seconds_until_found(database, writers, number) for number in range(9 if quick else 30)]
    return under("search_freshness", max(times), "s", limit=_FRESH_SECONDS)


def _compared(
    name: str, views: Callable[[Database], Sequence[_View]], *, limit_ms: float, quick: bool
) -> Result:
    """Measure the views in a large library, and in a small one for comparison."""
    large, small = _library(_QUICK if quick else _LARGE), _library(_SMALL)
    value, reference = _p95_ms(large, views(large)), _p95_ms(small, views(small))
    return Result(
        name=name,
        value=value,
        unit="ms, 95th percentile",
        reference=f"the same at {_SMALL:,} requests",
        reference_value=reference,
        ratio=value / reference,
        goal=f"at most {limit_ms:g} ms, and at most {_AS_SMALL} times the reference",
        met=value <= limit_ms and value <= _AS_SMALL * reference,
    )


@functools.cache
def _library(requests: int) -> Database:
    """Return a library with this number of requests, indexed as the job does it."""
    server = library_server(requests=requests)
    with server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(_IN_CHINESE)
        connection.commit()
    database = Database(settings_for(server, DATABASE), site=IllSite())
    began = time.monotonic()
    while database.transact(indexing.build) is not None:
        pass
    print(f"  {requests:,} requests indexed in {time.monotonic() - began:.0f} s", flush=True)
    return database


# The loaded titles are English. Replace every twenty-third by a Chinese one.
_IN_CHINESE = (
    "UPDATE illrequestattributes SET value = CONCAT(ELT(1 + illrequest_id % 3, '圖書館建築', '臺灣鐵道', '民間戲曲'),"
    " '研究')"
    " WHERE type = 'title' AND illrequest_id % 23 = 0"
)


def _begin_session(tx: Transaction, token: str) -> None:
    account = staff_accounts.find(tx, _SUPERLIBRARIAN)
    sessions.begin(
        tx,
        token,
        borrowernumber=_SUPERLIBRARIAN,
        branchcode="CPL",
        password=account.password if account else None,
    )


def _p95_ms(database: Database, views: Sequence[_View]) -> float:
    """Open the staff's page for each view, signed in, and return the 95th percentile of the server's times."""
    settings = Settings(koha=KohaSettings(database=DatabaseSettings(database=DATABASE, user=USER)))
    client = create_app(Runtime(settings=settings, database=database)).test_client()
    token = secrets.token_urlsafe()
    database.transact(_begin_session, token)
    client.set_cookie(SESSION_COOKIE, token)
    for view in views[:: max(len(views) // 10, 1)]:
        _open(client, view)  # opens the connection and fills the caches
    times = []
    for view in random.Random(1).sample(views, len(views)):
        began = time.perf_counter()
        _open(client, view)
        times.append((time.perf_counter() - began) * 1000)
    return percentile(times, 95)


def _open(client: FlaskClient, view: _View) -> None:
    answer = client.get("/requests", query_string=_query(view))
    if answer.status_code != HTTPStatus.OK:
        raise RuntimeError(f"{_query(view)}: {answer.status_code}")


def _query(view: _View) -> list[tuple[str, str]]:
    """Return the query parameters of the list's URL for a view."""
    wanted = view.wanted
    several = {
        "status": wanted.statuses,
        "library": wanted.branchcodes,
        "type": wanted.types,
        "backend": wanted.backends,
    }
    single = {
        "q": wanted.keyword,
        "patron": wanted.patron,
        "borrowernumber": wanted.borrowernumber,
        "placed_from": wanted.placed_from,
        "placed_to": wanted.placed_to,
        "updated_from": wanted.updated_from,
        "updated_to": wanted.updated_to,
        "sort": f"-{view.sort.column.value}" if view.sort.descending else view.sort.column.value,
        "page": view.page,
    }
    return [
        *((name, value) for name, values in several.items() for value in values),
        *((name, str(value)) for name, value in single.items() if value),
    ]


def _show(database: Database, view: _View) -> FoundRequests:
    return database.transact(request_search.find, view.wanted, view.sort, page=view.page)


def _orders() -> Iterator[Sort]:
    for column in Column:
        yield Sort(column, descending=False)
        yield Sort(column, descending=True)


def _pages(database: Database) -> list[_View]:
    last = database.transact(request_search.find, RequestFilter()).total // 20
    return [
        _View(wanted=RequestFilter(), sort=sort, page=page)
        for sort in _orders()
        for page in (1, 2, 3, 50, last // 2, last)
    ]


def _filters(database: Database) -> Iterator[RequestFilter]:
    today = date.today()  # noqa: DTZ011  (MariaDB's date)
    for status in ("NEW", "REQ", "GENREQ", "CANCREQ", "QUEUED", "REQREV", "COMP", "CHK", "RET"):
        yield RequestFilter(statuses=[status])
        yield RequestFilter(statuses=[status, "NEW"])
    for branchcode in ("CPL", "MPL"):
        yield RequestFilter(branchcodes=[branchcode])
    for kind in ("book", "article", "thesis"):
        yield RequestFilter(types=[kind])
    for days in (0, 7, 30, 200, 1000, 1700):
        yield RequestFilter(placed_from=today - timedelta(days=days))
        yield RequestFilter(placed_to=today - timedelta(days=days))
        yield RequestFilter(
            updated_from=today - timedelta(days=days + 60), updated_to=today - timedelta(days=days)
        )
    for document in database.transact(indexing.read_documents, (1, 5000, 9000)):
        yield RequestFilter(borrowernumber=int(dict(document.facets)[Facet.PATRON]))
        yield RequestFilter(patron=document.patron_text)
    for patron in ("reader", "B0000007", "reader 15", "15", "whitlock", "reader lind"):
        yield RequestFilter(patron=patron)
    yield RequestFilter(backends=["Standard"])
    yield RequestFilter(statuses=["COMP"], types=["article"], placed_from=today - timedelta(days=500))


def _filtered(database: Database) -> list[_View]:
    """Return a thousand combinations of filter, order and page: the same ones each time."""
    views = [
        _View(wanted=wanted, sort=sort, page=page)
        for wanted in _filters(database)
        for sort in _orders()
        for page in (1, 2)
    ]
    return random.Random(1).sample(views, 1000)


_WORDS = (
    "history", "of", "a", "hist", "istor", "ory", "journal", "part", "university 17", "university", "slip 4711", "1987",
    "2024", "12", "7", "978", "97812", "4711", "123456", "reader", "reader 99", "comp", "standard article", "gardens",
    "a history of gardens in", "qqqqqq", "thesis 1950", "圖", "圖書館", "書館", "Zürich", "noether",
    "B00000123", "9.50", "seen by the desk", "shelf", "in 19", "on", "tics", "ology",
)  # fmt: skip


def _keywords(_database: Database) -> list[_View]:
    sorts = (Sort(), Sort(Column.TITLE, descending=False), Sort(Column.UPDATED))
    return [
        _View(wanted=RequestFilter(keyword=word), sort=sort, page=page)
        for word in _WORDS
        for sort in sorts
        for page in (1, 2)
    ]


# How soon a change is visible


def _seconds_until_found(database: Database, writers: Sequence["_Writer"], number: int) -> float:
    """Write something as Koha does, at a random moment between two runs, and search until it is found."""
    time.sleep(random.Random(number).random() * _RUN_SECONDS)
    word = f"freshness{number}"
    writers[number % len(writers)](word)
    began = time.monotonic()
    while not _show(database, _View(wanted=RequestFilter(keyword=word))).total:
        if time.monotonic() - began > _GIVE_UP_SECONDS:
            break
        time.sleep(0.05)
    return time.monotonic() - began


_Writer = Callable[[str], None]


def _koha(server: PrivateMariaDB) -> list[_Writer]:
    """Return functions that write as Koha does: edit an open request, edit an attribute of it, create a request."""
    randomly = random.Random(2)
    with server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT illrequest_id FROM ill_sidecar_listing WHERE is_open = 1")
        open_ids = [row[0] for row in cursor.fetchall()]

    def do(*statements: str, **values: object) -> None:
        with server.connect(DATABASE) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, values)
            connection.commit()

    def edit(word: str) -> None:
        do("UPDATE illrequests SET notesstaff = %(word)s WHERE illrequest_id = %(id)s", word=word, id=one())

    def edit_attribute(word: str) -> None:
        do(
            "UPDATE illrequestattributes SET value = %(word)s WHERE illrequest_id = %(id)s AND type = 'title'",
            word=word,
            id=one(),
        )

    def create(word: str) -> None:
        do(
            "INSERT INTO illrequests (branchcode, borrowernumber, status, backend, placed) SELECT branchcode,"
            " borrowernumber, 'NEW', backend, CURDATE() FROM illrequests WHERE illrequest_id = %(id)s",
            "INSERT INTO illrequestattributes (illrequest_id, backend, type, value)"
            " VALUES (LAST_INSERT_ID(), 'Standard', 'title', %(word)s)",
            word=word,
            id=one(),
        )

    def one() -> int:
        return int(randomly.choice(open_ids))

    return [edit, edit_attribute, create]


@contextmanager
def _worker(database: Database, server: PrivateMariaDB) -> Iterator[None]:
    """Run the daemon's jobs, as a library does; the body begins when they have tracked every request."""
    with tempfile.TemporaryDirectory(prefix="koha-ill-index-") as directory:
        config = Path(directory) / "config.yaml"
        config.write_text(_CONFIG.format(socket=server.socket, name=DATABASE, user=USER, password=PASSWORD))
        command = [sys.executable, "-m", "koha_ill_sidecar", "--config", str(config), "worker"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            while not database.transact(watch.completed_passes):
                time.sleep(0.5)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


_GIVE_UP_SECONDS = 60

_CONFIG = """\
koha:
  database:
    socket: {socket}
    name: {name}
    user: {user}
    password: {password}
"""
