"""
Create many requests and messages for the benchmarks, inside MariaDB from its sequence tables.

The values of a row depend only on its number. So one statement can create a range of rows, and the same call creates
the same rows.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pymysql.connections import Connection
from pymysql.converters import escape_string
from pymysql.cursors import Cursor

from koha_ill_sidecar.demo.rows import RowWriter
from koha_ill_sidecar.demo.sample_requests import marcxml
from koha_ill_sidecar.demo.seed import FRAMEWORK
from koha_ill_sidecar.demo.titles import AUTHORS, JOURNALS, PLACES, SUBJECTS

# Requests or messages per statement and transaction: these take some seconds and little undo log.
_AT_ONCE = 100_000
# The rows are spread evenly over this many days up to today; with a million requests these are 548 a day.
_DAYS = 1826
_RECENT_DAYS = 30  # most younger requests are open, most older ones completed
_DAYS_PER_STEP = 3
_REQUESTS_PER_PATRON = 20
_MESSAGES_PER_PATRON = 100
_STANDARD_SINCE = "24.11"

_BOOK_EVERY = 4  # every fourth request is for a book and has a record
_ATTRIBUTES: Mapping[str, Sequence[str]] = {
    "book": ("author", "isbn", "title", "type", "year"),
    "article": ("article_author", "article_title", "title", "type", "volume", "year"),
    "thesis": ("author", "institution", "title", "type"),
}

# The statuses, cumulative per thousand. Only books can be checked out.
_RECENT = ((250, "NEW"), (500, "REQ"), (650, "GENREQ"), (680, "CANCREQ"), (710, "QUEUED"), (1000, "COMP"))
_OLD = ((60, "REQREV"), (70, "REQ"), (1000, "COMP"))
_BOOKS_CHECKED_OUT = 200  # per thousand

_PATHS: Mapping[str, Sequence[str]] = {
    "NEW": ("NEW",),
    "REQ": ("NEW", "REQ"),
    "GENREQ": ("NEW", "GENREQ"),
    "CANCREQ": ("NEW", "CANCREQ"),
    "QUEUED": ("NEW", "QUEUED"),
    "REQREV": ("NEW", "REQ", "REQREV"),
    "COMP": ("NEW", "REQ", "COMP"),
    "CHK": ("NEW", "REQ", "CHK"),
    "RET": ("NEW", "REQ", "CHK", "RET"),
}

# Code and transport of messages; repeated entries are more frequent.
_MESSAGES = (
    ("ILL_PICKUP_READY", "email"),
    ("ILL_PICKUP_READY", "email"),
    ("ILL_PICKUP_READY", "sms"),
    ("ILL_REQUEST_UNAVAIL", "email"),
    ("ILL_PARTNER_REQ", "email"),
    ("DUE", "email"),
    ("CHECKIN", "email"),
    ("PREDUE", "email"),
)
_CONTENT = (
    "Dear reader,\n\nthis is about request number {}. There is news about what you asked us to borrow for you: please"
    " look at your account in the catalogue. If you have questions, ask at the desk of your library.\n\n"
    "With kind regards\nThe interlibrary loan desk\n"
)


def load_bulk(connection: "Connection[Cursor]", requests: int, messages: int, *, pending: int = 0) -> None:
    """
    Add *requests* requests and *messages* rows of message_queue to a database that has libraries and categories.

    A request has four to six attributes and its log rows; three of ten have a comment, every book (a quarter) has a
    record, and some have a loan. There is one patron per twenty requests. Of the messages, 2 % are failed, 0.5 % are
    deleted and the others sent. Existing rows stay. It commits after each step.

    A million requests took four minutes on two busy cores, five million messages five minutes.

    Args:
        pending: How many of the newest messages are pending.

    Raises:
        ValueError: There is no library, or no category of adults.
    """
    writer = RowWriter(connection)
    with connection.cursor() as cursor, _without_checks(cursor):
        loader = _Loader(cursor, writer, requests, messages)
        loader.add_patrons()
        with _without_keys(cursor, "action_logs"):
            for low, high in _ranges(requests):
                loader.add_requests(low, high)
                connection.commit()
        with _without_keys(cursor, "message_queue"):
            for low, high in _ranges(messages):
                loader.add_messages(low, high, pending_from=messages - pending + 1)
                connection.commit()
        cursor.execute(
            "ANALYZE TABLE illrequests, illrequestattributes, illcomments, action_logs, message_queue"
        )


def _ranges(count: int) -> Iterator[tuple[int, int]]:
    for low in range(1, count + 1, _AT_ONCE):
        yield low, min(low + _AT_ONCE - 1, count)


@contextmanager
def _without_checks(cursor: Cursor) -> Iterator[None]:
    """Disable the checks of foreign and unique keys: all IDs are new and refer to rows that this module creates."""
    cursor.execute("SET foreign_key_checks = 0, unique_checks = 0")
    try:
        yield
    finally:
        cursor.execute("SET foreign_key_checks = 1, unique_checks = 1")


@contextmanager
def _without_keys(cursor: Cursor, table: str) -> Iterator[None]:
    """Drop the secondary keys of *table* and create them afterwards, which is far faster than updating them."""
    keys = _all(
        cursor,
        "SELECT index_name, GROUP_CONCAT(CONCAT('`', column_name, '`', COALESCE(CONCAT('(', sub_part, ')'), ''))"
        " ORDER BY seq_in_index) FROM information_schema.statistics WHERE table_schema = DATABASE()"
        f" AND table_name = '{table}' AND non_unique = 1 GROUP BY index_name",
    )
    cursor.execute(f"ALTER TABLE {table} " + ", ".join(f"DROP KEY `{name}`" for name, _ in keys))
    try:
        yield
    finally:
        cursor.execute(
            f"ALTER TABLE {table} " + ", ".join(f"ADD KEY `{name}` ({parts})" for name, parts in keys)
        )


def _next(cursor: Cursor, *columns: str) -> int:
    """Return the first ID that is free in all of *columns*, each given with its table."""
    queries = (f"SELECT COALESCE(MAX({column}), 0) + 1 FROM {column.partition('.')[0]}" for column in columns)
    return max(int(_one(cursor, query)) for query in queries)


def _letters(cursor: Cursor) -> dict[tuple[str, str], int]:
    """Return the IDs of the notices for all libraries, if letters have IDs (from 22.11 on)."""
    if not cursor.execute("SHOW COLUMNS FROM letter LIKE 'id'"):
        return {}
    query = "SELECT code, message_transport_type, id FROM letter WHERE branchcode = '' AND lang = 'default'"
    return {(code, transport): number for code, transport, number in _all(cursor, query)}


class _Loader:
    """
    Runs the statements. In each, `n` counts the new rows from 1, and `_draw` is a pseudo-random number.

    Raises:
        ValueError: There is no library, or no category of adults.
    """

    def __init__(self, cursor: Cursor, writer: RowWriter, requests: int, messages: int) -> None:
        self._cursor = cursor
        self._writer = writer
        self._requests, self._messages = requests, messages
        self._patrons = max(1, requests // _REQUESTS_PER_PATRON, messages // _MESSAGES_PER_PATRON)
        self._has_ill_statistics = writer.has("statistics", "illrequest_id")
        self._first_request = _next(cursor, "illrequests.illrequest_id")
        self._first_patron = _next(cursor, "borrowers.borrowernumber")
        self._first_biblio = _next(cursor, "biblio.biblionumber", "biblioitems.biblioitemnumber")
        self._first_item = _next(cursor, "items.itemnumber", "issues.issue_id", "old_issues.issue_id")
        self._libraries = [
            row[0] for row in _all(cursor, "SELECT branchcode FROM branches ORDER BY branchcode")
        ]
        self._category = _one(cursor, "SELECT MIN(categorycode) FROM categories WHERE category_type = 'A'")
        if not self._libraries or self._category is None:
            raise ValueError(
                "There is no library or no category of adults; load_sample_library creates both."
            )
        staff = "SELECT COALESCE(MIN(borrowernumber), 0) FROM borrowers WHERE flags IS NOT NULL"
        self._staff: int = _one(cursor, staff)
        version = _one(cursor, "SELECT value FROM systempreferences WHERE variable = 'Version'")
        self._backend = "Standard" if str(version) >= _STANDARD_SINCE else "FreeForm"
        self._letters = _letters(cursor)

    def add_patrons(self) -> None:
        """Add the patrons, all with an email address."""
        first = self._first_patron
        self._insert(
            "borrowers",
            f"(SELECT seq AS n FROM seq_1_to_{self._patrons}) AS s",
            borrowernumber=f"{first - 1} + n",
            cardnumber=f"CONCAT('B', LPAD({first - 1} + n, 9, '0'))",
            surname=_choose("surname", [author.partition(",")[0] for author in AUTHORS]),
            firstname="CONCAT('Reader ', n)",
            address="CONCAT(n, ' Bulk Street')",
            city="'Oxbow'",
            email=f"CONCAT('reader', {first - 1} + n, '@bulk.example.org')",
            branchcode=f"ELT(1 + n % {len(self._libraries)}, {_texts(self._libraries)})",
            categorycode=_text(self._category),
            dateenrolled="CURDATE() - INTERVAL 6 YEAR",
            dateexpiry="CURDATE() + INTERVAL 2 YEAR",
            lang="'default'",
        )

    def add_requests(self, low: int, high: int) -> None:
        """Add the requests *low* to *high* with the rows that belong to them."""
        self._add_records(low, high)
        self._add_request_rows(low, high)
        first = self._first_request - 1
        source = (
            f"(SELECT illrequest_id - {first} AS n, illrequest_id, borrowernumber, biblio_id, branchcode, status,"
            f" placed, completed FROM illrequests WHERE illrequest_id BETWEEN {first + low} AND {first + high}) AS r"
        )
        self._add_attributes(source)
        self._add_comments(source)
        self._add_logs(source)
        self._add_loans(source)
        if self._has_ill_statistics:
            self._add_statistics(source)

    def _add_records(self, low: int, high: int) -> None:
        # The server sets biblio.timestamp.
        source = (
            f"(SELECT seq AS n, {self._first_biblio} + seq DIV {_BOOK_EVERY} AS number"
            f" FROM seq_{low}_to_{high} WHERE seq % {_BOOK_EVERY} = 0) AS s"
        )
        self._insert(
            "biblio",
            source,
            biblionumber="number",
            frameworkcode=_text(FRAMEWORK),
            author=_AUTHOR,
            title=_TITLE,
            datecreated=_day(self._requests),
            opac_suppressed="1",
        )
        self._insert("biblioitems", source, biblioitemnumber="number", biblionumber="number", isbn=_ISBN)
        record = marcxml("\0number\0", title="\0title\0", author="\0author\0", isbn="\0isbn\0")
        values = {"number": "number", "title": _TITLE, "author": _AUTHOR, "isbn": _ISBN}
        pieces = (values.get(piece) or _text(piece) for piece in record.split("\0"))
        self._insert(
            "biblio_metadata",
            source,
            biblionumber="number",
            format="'marcxml'",
            schema="'MARC21'",
            metadata=f"CONCAT({', '.join(pieces)})",
        )

    def _add_request_rows(self, low: int, high: int) -> None:
        source = (
            f"(SELECT n, placed, patron, {_status('placed')} AS status FROM (SELECT seq AS n,"
            f" {_day(self._requests, n='seq')} AS placed, {_draw('patron', self._patrons, n='seq')} AS patron"
            f" FROM seq_{low}_to_{high}) AS numbers) AS s"
        )
        last_step = (
            f"CASE status {' '.join(f'WHEN {_text(s)} THEN {len(p) - 1}' for s, p in _PATHS.items())} END"
        )
        self._insert(
            "illrequests",
            source,
            illrequest_id=f"{self._first_request - 1} + n",
            borrowernumber=f"{self._first_patron} + patron",
            biblio_id=f"IF(n % {_BOOK_EVERY} = 0, {self._first_biblio} + n DIV {_BOOK_EVERY}, NULL)",
            branchcode=f"ELT(1 + (patron + 1) % {len(self._libraries)}, {_texts(self._libraries)})",
            status="status",
            placed="placed",
            updated=_moment(f"({last_step})"),
            completed=f"IF(status = 'COMP', DATE({_moment('2')}), NULL)",
            cost="IF(status = 'COMP' AND n % 5 = 0, CONCAT(4 + n % 27, '.50'), NULL)",
            notesstaff="IF(n % 9 = 0, CONCAT('Seen by the desk, slip ', n), NULL)",
            orderid=f"IF(status IN ('REQ', 'COMP', 'CHK', 'RET'), {self._first_request - 1} + n, NULL)",
            backend=_text(self._backend),
        )

    def _add_attributes(self, source: str) -> None:
        kinds = " UNION ALL ".join(
            f"SELECT {_text(material)} AS material, {_text(kind)} AS type"
            for material, kinds in _ATTRIBUTES.items()
            for kind in kinds
        )
        # STRAIGHT_JOIN reads the requests first, so that rows are inserted in the order of the primary key.
        self._insert(
            "illrequestattributes",
            f"{source} STRAIGHT_JOIN ({kinds}) AS kinds ON kinds.material = {_MATERIAL}",
            illrequest_id="illrequest_id",
            backend=_text(self._backend),
            type="type",
            value=f"CASE type {' '.join(f'WHEN {_text(kind)} THEN {value}' for kind, value in _VALUES.items())} END",
            readonly="1",
        )

    def _add_comments(self, source: str) -> None:
        if not self._staff:
            return
        self._insert(
            "illcomments",
            f"{source} WHERE n % 10 IN (1, 4, 7)",
            illrequest_id="illrequest_id",
            borrowernumber=str(self._staff),
            comment="CONCAT('Looked at it, shelf ', n % 97)",
            timestamp=_moment("1"),
        )

    def _add_logs(self, source: str) -> None:
        steps = " UNION ALL ".join(
            f"SELECT {_text(status)} AS final, {step} AS step, {_text(action)} AS action, {_text(info)} AS info"
            for status, step, action, info in _log_steps()
        )
        self._insert(
            "action_logs",
            f"{source} STRAIGHT_JOIN ({steps}) AS steps ON steps.final = r.status",
            timestamp=_moment("step"),
            user=f"IF(step = 0, borrowernumber, {self._staff})",
            module="'ILL'",
            action="action",
            object="illrequest_id",
            info="info",
            interface="IF(step = 0, 'opac', 'intranet')",
        )

    def _add_loans(self, source: str) -> None:
        number = f"{self._first_item} + n DIV {_BOOK_EVERY}"
        out = f"{source} WHERE status IN ('CHK', 'RET')"
        self._insert(
            "items",
            out,
            itemnumber=number,
            biblionumber="biblio_id",
            biblioitemnumber="biblio_id",
            barcode="CONCAT('ILL-', illrequest_id)",
            homebranch="branchcode",
            holdingbranch="branchcode",
            location="branchcode",
            itype="NULL",
            onloan=f"IF(status = 'CHK', DATE({_moment('9')}), NULL)",
        )
        for table, status in (("issues", "CHK"), ("old_issues", "RET")):
            self._insert(
                table,
                f"{source} WHERE status = '{status}'",
                issue_id=number,
                borrowernumber="borrowernumber",
                itemnumber=number,
                branchcode="branchcode",
                issuedate=_moment("2"),
                date_due="placed + INTERVAL 33 DAY + INTERVAL 1439 MINUTE",
                returndate=_moment("3") if table == "old_issues" else "NULL",
            )

    def _add_statistics(self, source: str) -> None:
        for kind, condition, step in (("illreq_created", "1", "0"), ("illreq_comp", "status = 'COMP'", "2")):
            self._insert(
                "statistics",
                f"{source} WHERE {condition}",
                datetime=_moment(step),
                branch="branchcode",
                type=_text(kind),
                illrequest_id="illrequest_id",
                borrowernumber="borrowernumber",
                categorycode=_text(self._category),
                interface="'opac'",
            )

    def add_messages(self, low: int, high: int, *, pending_from: int) -> None:
        """Add the messages *low* to *high*; those from number *pending_from* on are pending."""
        codes = [code for code, _ in _MESSAGES]
        transports = [transport for _, transport in _MESSAGES]
        letters = [str(self._letters.get(message, "NULL")) for message in _MESSAGES]
        patron = f"{self._first_patron} + {_draw('patron', self._patrons)}"
        self._insert(
            "message_queue",
            f"(SELECT seq AS n, {_draw('fate', 1000, n='seq')} AS fate, {_day(self._messages, n='seq')} AS placed"
            f" FROM seq_{low}_to_{high}) AS s",
            letter_id=f"ELT(1 + {_draw('code', len(_MESSAGES))}, {', '.join(letters)})",
            borrowernumber=patron,
            subject="CONCAT('About your request ', n)",
            content=f"REPLACE({_text(_CONTENT)}, '{{}}', n)",
            metadata="''",
            letter_code=_choose("code", codes),
            message_transport_type=_choose("code", transports),
            status=(
                f"CASE WHEN n >= {pending_from} THEN 'pending' WHEN fate < 20 THEN 'failed'"
                " WHEN fate < 25 THEN 'deleted' ELSE 'sent' END"
            ),
            time_queued=_moment("0"),
            updated_on=_moment("0"),
            to_address=f"IF(n >= {pending_from}, NULL, CONCAT('reader', {patron}, '@bulk.example.org'))",
            from_address="'ill@bulk.example.org'",
            reply_address="'ill@bulk.example.org'",
            failure_code=f"IF(fate < 20 AND n < {pending_from}, 'SENDMAIL', '')",
        )

    def _insert(self, table: str, source: str, **columns: str) -> None:
        names = self._writer.present(table, columns)
        if names:
            listed = ", ".join(f"`{name}`" for name in names)
            expressions = ", ".join(columns[name] for name in names)
            self._cursor.execute(f"INSERT INTO {table} ({listed}) SELECT {expressions} FROM {source}")


def _log_steps() -> Iterator[tuple[str, int, str, str]]:
    """Yield the log rows of requests: final status, number of the step, action, info."""
    for final, path in _PATHS.items():
        before = None
        for step, after in enumerate(path):
            info = {"log_origin": "core", "status_before": before, "status_after": after}
            yield final, step, "STATUS_CHANGE", json.dumps(info)
            before = after
    yield "COMP", 2, "PATRON_NOTICE", json.dumps({"log_origin": "core", "notice_code": "ILL_PICKUP_READY"})


# SQL expressions of `n`, and of `placed` where noted


def _text(value: str) -> str:
    return f"'{escape_string(value)}'"


def _texts(values: Sequence[str]) -> str:
    return ", ".join(_text(value) for value in values)


def _draw(salt: str, sides: int, *, n: str = "n") -> str:
    """Return a pseudo-random number from 0 to *sides* - 1 that depends only on *salt* and `n`."""
    return f"CRC32(CONCAT('{salt}', {n})) % {sides}"


def _choose(salt: str, values: Sequence[str]) -> str:
    return f"ELT(1 + {_draw(salt, len(values))}, {_texts(values)})"


def _day(count: int, *, n: str = "n") -> str:
    """Return the day of row `n` of *count*: the rows are spread evenly, and the last one is of today."""
    return f"CURDATE() - INTERVAL FLOOR(({count} - {n}) * {_DAYS} / {count}) DAY"


def _moment(step: str) -> str:
    """Return the time of a step: three days per step after `placed`, in the daytime, and not in the future."""
    hour = f"INTERVAL 9 + {_draw('hour', 9)} HOUR"
    return (
        f"LEAST(NOW(), placed + INTERVAL {step} * {_DAYS_PER_STEP} DAY + {hour} + INTERVAL n % 3600 SECOND)"
    )


def _status(placed: str) -> str:
    def by_share(shares: Sequence[tuple[int, str]]) -> str:
        cases = " ".join(
            f"WHEN {_draw('status', 1000)} < {share} THEN '{status}'" for share, status in shares
        )
        return f"CASE {cases} END"

    recent = f"{placed} > CURDATE() - INTERVAL {_RECENT_DAYS} DAY"
    checked_out = f"n % {_BOOK_EVERY} = 0 AND {_draw('loan', 1000)} < {_BOOKS_CHECKED_OUT}"
    return (
        f"CASE WHEN {checked_out} THEN IF({recent}, 'CHK', 'RET')"
        f" WHEN {recent} THEN {by_share(_RECENT)} ELSE {by_share(_OLD)} END"
    )


_MATERIAL = f"CASE WHEN n % {_BOOK_EVERY} = 0 THEN 'book' WHEN n % 7 = 1 THEN 'thesis' ELSE 'article' END"
_SUBJECT = _choose("subject", SUBJECTS)
_PLACE = _choose("place", PLACES)
_YEAR = f"1931 + {_draw('year', 95)}"
_AUTHOR = _choose("author", AUTHORS)
_TITLE = f"CONCAT('A history of ', {_SUBJECT}, ' in ', {_PLACE}, ', ', {_YEAR})"
_ISBN = f"CONCAT('978', LPAD({_draw('isbn', 10**10)}, 10, '0'))"  # most check digits are wrong
_VALUES: Mapping[str, str] = {
    "article_author": _AUTHOR,
    "article_title": f"CONCAT('On ', {_SUBJECT}, ' in ', {_PLACE}, ', part ', {_draw('part', 900)})",
    "author": _AUTHOR,
    "institution": "CONCAT('University ', n % 40)",
    "isbn": _ISBN,
    "title": f"IF({_MATERIAL} = 'article', {_choose('journal', JOURNALS)}, {_TITLE})",
    "type": _MATERIAL,
    "volume": _draw("volume", 120),
    "year": _YEAR,
}


def _one(cursor: Cursor, query: str) -> Any:  # noqa: ANN401 - a column of any type
    return _all(cursor, query)[0][0]


def _all(cursor: Cursor, query: str) -> tuple[tuple[Any, ...], ...]:
    cursor.execute(query)
    return cursor.fetchall()
