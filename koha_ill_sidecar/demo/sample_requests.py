"""
The requests of the sample library: each follows a path in the status graph and has the rows that Koha would write.

Source: Koha, Koha/ILL/Request.pm and Koha/ILL/Backend/Standard.pm (rows of each action), Koha/ILL/Request/Logger.pm
(log rows), C4/Circulation.pm (loans), C4/Biblio.pm AddBiblio (records of requested books).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from xml.sax.saxutils import escape

from koha_ill_sidecar.demo.rows import Row
from koha_ill_sidecar.demo.sample_people import IN_HOUSE, Person
from koha_ill_sidecar.demo.seed import FRAMEWORK
from koha_ill_sidecar.demo.titles import Titles
from koha_ill_sidecar.domain import strict_json

# Tables in the order that foreign keys require.
TABLES = (
    "biblio", "biblioitems", "biblio_metadata", "illbatches", "illrequests", "illrequestattributes", "illcomments",
    "items", "issues", "old_issues", "statistics", "action_logs", "message_queue",
)  # fmt: skip

# The paths on which a request may have reached its status. QUEUED follows NEW immediately: the limit was reached.
PATHS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "NEW": (("NEW",),),
    "UNAUTH": (("UNAUTH",),),
    "QUEUED": (("NEW", "QUEUED"),),
    "CANCREQ": (("NEW", "CANCREQ"),),
    "REQ": (("NEW", "REQ"), ("NEW", "CANCREQ", "REQ"), ("NEW", "QUEUED", "REQ")),
    "GENREQ": (("NEW", "GENREQ"), ("NEW", "REQ", "REQREV", "GENREQ")),
    "REQREV": (("NEW", "REQ", "REQREV"),),
    "COMP": (("NEW", "REQ", "COMP"), ("NEW", "GENREQ", "COMP"), ("NEW", "QUEUED", "REQ", "COMP")),
    "CHK": (("NEW", "REQ", "CHK"), ("NEW", "GENREQ", "CHK"), ("NEW", "GENREQ", "COMP", "CHK")),
    "RET": (("NEW", "REQ", "CHK", "RET"), ("NEW", "GENREQ", "COMP", "CHK", "RET")),
}
NEEDS_A_RECORD = frozenset({"CHK", "RET"})  # only books have one

# The age of requests in days (youngest, oldest), by their current status.
_AGES: Mapping[str, tuple[int, int]] = {
    "NEW": (0, 12), "UNAUTH": (0, 20), "QUEUED": (1, 60), "CANCREQ": (2, 25), "REQ": (2, 60), "GENREQ": (2, 50),
    "REQREV": (10, 400), "COMP": (20, 730), "CHK": (8, 25), "RET": (45, 730),
}  # fmt: skip
_LONGEST_PATH = dt.timedelta(days=30)
_MORNING = 6  # o'clock
_SHARES = {
    "NEW": 10, "REQ": 10, "GENREQ": 8, "REQREV": 6, "QUEUED": 2, "CANCREQ": 3, "COMP": 45, "CHK": 6, "RET": 10,
}  # fmt: skip

ALIASES: Mapping[str, tuple[str, str]] = {
    "SHIPPED": ("Shipped by supplier", "On its way"),
    "AWAIT_PAY": ("Waiting for payment", "Being processed"),
    "CHASED": ("Supplier was reminded", "Being processed"),
    "READING_RM": ("For the reading room only", "For use in the library"),
}
_MAY_HAVE_ALIAS = frozenset({"REQ", "GENREQ", "COMP"})

_REMARKS = (
    "Supplier asks for the edition; any will do.",
    "Patron prefers a scan.",
    "Called the partner library, they will look tomorrow.",
    "Reserved the reading room desk for this one.",
    "Invoice is in the folder of this month.",
    "讀者來電詢問進度。",
    "Second try: the first partner could not find it on the shelf.",
    "Not needed before the end of term.",
)
_OPAC_NOTES = ("Any edition.", "I only need chapter 3.", "請盡快,謝謝!", "Please no large print <large>.")
_STAFF_NOTES = ("Check the bill: last time they charged twice.", "Return by registered post.")

_TEXTS: Mapping[str, str] = {
    "ILL_PICKUP_READY": "What you asked us to borrow for you has arrived.",
    "ILL_REQUEST_UNAVAIL": "We are sorry: none of our partners could supply what you asked for.",
    "ILL_REQUEST_CANCEL": "The patron asks to cancel this request.",
    "ILL_PARTNER_REQ": "A reader of ours is looking for this. Could you lend it to us, or send us a copy?",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """The library that the requests belong to."""

    now: dt.datetime  # MariaDB's NOW(), in the time zone of its columns
    backend: str
    people: Sequence[Person]
    pickup_places: Sequence[str]
    sender_addresses: Mapping[str, str]  # by library code: the sender of its mail
    ill_addresses: Mapping[str, str]  # by library code: where it receives ILL mail
    letters: Mapping[tuple[str, str, str], tuple[int | None, str]]  # code, transport, language: ID and title
    materials: Sequence[str]
    unauthenticated_requests: bool
    has_ill_statistics: bool
    has_batches: bool
    patron_messages: frozenset[str]  # codes of notices that patrons choose transports for


@dataclass(frozen=True, slots=True)
class _Actor:
    borrowernumber: int
    interface: str


_ANONYMOUS = _Actor(0, "opac")


class SampleRequests:
    """Generates *count* requests; `rows` has a list of rows for each of `TABLES`."""

    def __init__(self, setting: Setting, random: Random, count: int) -> None:
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.setting = setting
        self.random = random
        self.titles = Titles(random)
        self._patrons = [person for person in setting.people if person.userid and person.flags is None]
        self._partners = [person for person in setting.people if person.is_partner and person.email]
        self._batches: dict[int, int] = {}
        if setting.has_batches:
            self._add_batches()
        for number, (placed, material, status) in enumerate(self._plans(count), start=1):
            _Story(self, number, placed, material, status).add_rows()
        for table, column in (
            ("action_logs", "timestamp"),
            ("message_queue", "time_queued"),
            ("statistics", "datetime"),
        ):
            self.rows[table].sort(key=lambda row: str(row[column]))

    def _plans(self, count: int) -> list[tuple[dt.datetime, str, str]]:
        """
        Return the placement, material and status of each request, oldest first.

        A request of every status and material comes first, then the statuses have realistic shares.
        """
        wanted = list(self._every_kind())
        statuses = list(_SHARES)
        while len(wanted) < count:
            status = self.random.choices(statuses, weights=list(_SHARES.values()))[0]
            wanted.append((status, self._material_for(status)))
        plans = [(self._placed(status), material, status) for status, material in wanted[:count]]
        return sorted(plans, key=lambda plan: plan[0])

    def _every_kind(self) -> Iterator[tuple[str, str]]:
        for status in PATHS:
            if status == "UNAUTH" and not self.setting.unauthenticated_requests:
                continue
            for material in ("book",) if status in NEEDS_A_RECORD else self.setting.materials:
                yield status, material

    def _material_for(self, status: str) -> str:
        if status in NEEDS_A_RECORD:
            return "book"
        return self.random.choice(("book", "article", *self.setting.materials))

    def _placed(self, status: str) -> dt.datetime:
        youngest, oldest = _AGES[status]
        seconds = self.random.randint(youngest * 86_400 + 3_600, oldest * 86_400)
        return self.setting.now - dt.timedelta(seconds=seconds)

    def _add_batches(self) -> None:
        for number, (patron, name, status) in enumerate(
            (("sam", "Reading list, spring", "COMPLETED"), ("wen", "地方史讀書會", "IN_PROGRESS")), start=1
        ):
            person = next(person for person in self._patrons if person.userid == patron)
            self._batches[person.borrowernumber] = number
            self.rows["illbatches"].append(
                {
                    "ill_batch_id": number,
                    "name": name,
                    "backend": self.setting.backend,
                    "patron_id": person.borrowernumber,
                    "library_id": person.branchcode,
                    "status_code": status,
                }
            )

    # For _Story

    def choose_patron(self) -> Person:
        """Choose a patron; the first four have more requests than others."""
        return self.random.choice((*self._patrons[:4], *self._patrons))

    def choose_partners(self) -> list[Person]:
        """Choose up to three partners with an email address."""
        return self.random.sample(self._partners, k=self.random.randint(1, 3))

    def batch_of(self, patron: Person | None, branchcode: str) -> int | None:
        """Return the batch of *patron* for half of the requests at their own library."""
        if patron is None or branchcode != patron.branchcode or self.random.random() < 0.5:
            return None
        return self._batches.get(patron.borrowernumber)


class _Story:
    """The history of one request."""

    def __init__(
        self, sample: SampleRequests, number: int, placed: dt.datetime, material: str, status: str
    ) -> None:
        self._sample = sample
        self._setting = sample.setting
        self._random = sample.random
        self._number = number  # also the illrequest_id
        self._placed, self._material, self._status = placed, material, status
        self._path = self._random.choice(PATHS[status])
        self._attributes = sample.titles.attributes(material)
        self._patron = None if status == "UNAUTH" else sample.choose_patron()
        self._branch = self._choose_branch()
        self._staff = _Actor(4 if self._branch == "TPL" else 2, "intranet")
        self._times = self._choose_times()
        self._biblio: int | None = None
        self._columns: dict[str, object] = {"orderid": None, "completed": None, "accessurl": None}
        self._item: int | None = None

    def add_rows(self) -> None:
        """Add the rows of the whole history in chronological order."""
        if self._material == "book":
            self._add_record()
        before: str | None = None
        for status, at in zip(self._path, self._times, strict=True):
            self._log_change(before, status, at, self._actor_of(status))
            self._apply(status, at)
            before = status
        alias = self._choose_alias()
        if alias is not None:
            self._log_change(self._status, alias, self._times[-1], self._staff)
        self._add_comments()
        self._add_request(alias)
        self._add_attributes()

    # Choices

    def _choose_branch(self) -> str:
        if self._patron is not None and self._random.random() < 0.9:
            return self._patron.branchcode
        return self._random.choice(self._setting.pickup_places)

    def _choose_times(self) -> list[dt.datetime]:
        """Spread the steps over the time from the placement until now, but at most over `_LONGEST_PATH`."""
        span = min(self._setting.now - self._placed, _LONGEST_PATH)
        parts = sorted(self._random.uniform(0.02, 0.98) for _ in self._path[1:])
        times = [self._placed, *(self._placed + span * part for part in parts)]
        if self._path[1:2] == ("QUEUED",):
            times[1] = times[0]
        return sorted(_by_day(time) for time in times)

    def _actor_of(self, status: str) -> _Actor:
        if status in {"NEW", "QUEUED"}:
            return self._creator
        if status == "UNAUTH":
            return _ANONYMOUS
        if status == "CANCREQ" and self._patron is not None:
            return _Actor(self._patron.borrowernumber, "opac")
        return self._staff

    @property
    def _creator(self) -> _Actor:
        # Patrons place two thirds of the requests in the OPAC; juveniles may not.
        if self._patron is None or self._patron.categorycode == "J" or self._number % 3 == 0:
            return self._staff
        return _Actor(self._patron.borrowernumber, "opac")

    def _choose_alias(self) -> str | None:
        if self._status not in _MAY_HAVE_ALIAS or self._random.random() > 0.15:
            return None
        return self._random.choice(tuple(ALIASES))

    # The effects of each status

    def _apply(self, status: str, at: dt.datetime) -> None:
        match status:
            case "NEW" | "UNAUTH":
                self._count("illreq_created", at)
            case "REQ":
                self._columns["orderid"] = str(self._number)
            case "REQREV":
                self._columns["orderid"] = None
                self._notify_patron("ILL_REQUEST_UNAVAIL", at)
            case "GENREQ":
                self._ask_partners(at)
            case "CANCREQ":
                address = self._setting.ill_addresses[self._branch]
                self._queue("ILL_REQUEST_CANCEL", "email", self._patron, at, to=address, sender=address)
            case "COMP":
                self._complete(at)
            case "CHK":
                self._check_out(at)
            case "RET":
                self._check_in(at)

    def _complete(self, at: dt.datetime) -> None:
        self._columns["completed"] = at.date()
        self._count("illreq_comp", at)
        if self._material in {"article", "chapter"} and self._random.random() < 0.5:
            self._columns["accessurl"] = f"https://delivery.example.org/{self._number}"
        self._notify_patron("ILL_PICKUP_READY", at)

    def _count(self, kind: str, at: dt.datetime) -> None:
        if self._setting.has_ill_statistics:
            interface = self._actor_of(self._path[0]).interface
            self._add_statistic(kind, at, interface, illrequest_id=self._number)

    def _add_record(self) -> None:
        """Add the record of a book, suppressed in the OPAC, as AddBiblio and the Standard backend do."""
        at = self._times[0]
        self._biblio = number = len(self._sample.rows["biblio"]) + 1
        title, author, isbn = (self._attributes.get(key) for key in ("title", "author", "isbn"))
        self._add(
            "biblio",
            biblionumber=number,
            frameworkcode=FRAMEWORK,
            author=author,
            title=title,
            datecreated=at.date(),
            timestamp=at,
            opac_suppressed=1,
        )
        self._add("biblioitems", biblioitemnumber=number, biblionumber=number, isbn=isbn, timestamp=at)
        self._add(
            "biblio_metadata",
            biblionumber=number,
            format="marcxml",
            schema="MARC21",
            metadata=marcxml(number, title=title or "", author=author, isbn=isbn),
            timestamp=at,
        )
        self._log("CATALOGUING", "ADD", number, "biblio", at, self._actor_of(self._path[0]))

    def _ask_partners(self, at: dt.datetime) -> None:
        partners = self._sample.choose_partners()
        self._attributes["requested_partners"] = "; ".join(str(partner.email) for partner in partners)
        sender = self._setting.sender_addresses[self._branch]
        for partner in partners:
            self._queue("ILL_PARTNER_REQ", "email", partner, at, to=partner.email, sender=sender)

    def _check_out(self, at: dt.datetime) -> None:
        self._item = number = len(self._sample.rows["items"]) + 1
        due = (at + dt.timedelta(days=21)).replace(hour=23, minute=59, second=0)
        returned = self._path[-1] == "RET"
        self._add(
            "items",
            itemnumber=number,
            biblionumber=self._biblio,
            biblioitemnumber=self._biblio,
            barcode=f"ILL-{self._number}",
            dateaccessioned=at.date(),
            homebranch=self._branch,
            holdingbranch=self._branch,
            location=self._branch,  # Koha also stores the library as shelving location
            itype="ILL",
            issues=1,
            datelastborrowed=at.date(),
            datelastseen=self._times[-1].date(),
            onloan=None if returned else due.date(),
        )
        self._add_loan("old_issues" if returned else "issues", at, due)
        self._count_loan("issue", at)
        self._log("CIRCULATION", "ISSUE", self._borrowernumber, str(number), at, self._staff)

    def _check_in(self, at: dt.datetime) -> None:
        self._count_loan("return", at)
        self._log("CIRCULATION", "RETURN", self._borrowernumber, str(self._item), at, self._staff)

    def _add_loan(self, table: str, at: dt.datetime, due: dt.datetime) -> None:
        returned = self._times[-1] if table == "old_issues" else None
        self._add(
            table,
            issue_id=self._item,
            borrowernumber=self._borrowernumber,
            itemnumber=self._item,
            date_due=due,
            branchcode=self._branch,
            returndate=returned,
            checkin_library=self._branch if returned else None,
            timestamp=returned or at,
            issuedate=at,
        )

    # Notices

    def _notify_patron(self, code: str, at: dt.datetime) -> None:
        if self._patron is None or code not in self._setting.patron_messages or not self._patron.transports:
            return
        for transport in self._patron.transports:
            is_mail = transport == "email"
            to = self._patron.email if is_mail else f"{self._patron.smsalertnumber}@sms.example.org"
            self._queue(
                code, transport, self._patron, at, to=to, sender=self._setting.sender_addresses[self._branch]
            )
        info = {"log_origin": "core", "notice_code": code}
        self._log("ILL", "PATRON_NOTICE", self._number, strict_json.dumps(info), at, self._staff)

    def _queue(
        self,
        code: str,
        transport: str,
        person: Person | None,
        at: dt.datetime,
        *,
        to: str | None,
        sender: str,
    ) -> None:
        lang = person.lang if person is not None and code in self._setting.patron_messages else "default"
        letter_id, title = (
            self._setting.letters.get((code, transport, lang))
            or self._setting.letters[code, transport, "default"]
        )
        status, failure = self._random.choices(
            (("sent", ""), ("failed", "SENDMAIL"), ("deleted", "")), weights=(95, 4, 1)
        )[0]
        self._add(
            "message_queue",
            letter_id=letter_id,
            borrowernumber=person and person.borrowernumber,
            subject=title,
            content=f"{_TEXTS[code]}\n\n{self._attributes['title']}\n",
            metadata="",
            letter_code=code,
            message_transport_type=transport,
            status=status,
            time_queued=at,
            updated_on=_by_day(min(at + dt.timedelta(minutes=5), self._setting.now)),
            to_address=to,
            cc_address="",
            from_address=sender,
            reply_address=self._setting.ill_addresses[self._branch] if person is not None else None,
            content_type=None,
            failure_code=failure,
        )

    # Rows

    def _log_change(self, before: str | None, after: str, at: dt.datetime, actor: _Actor) -> None:
        info = {"log_origin": "core", "status_before": before, "status_after": after}
        self._log("ILL", "STATUS_CHANGE", self._number, strict_json.dumps(info), at, actor)

    def _log(self, module: str, action: str, number: int, info: str, at: dt.datetime, actor: _Actor) -> None:
        self._add(
            "action_logs",
            timestamp=at,
            user=actor.borrowernumber,
            module=module,
            action=action,
            object=number,
            info=info,
            interface=actor.interface,
            script=None,
            trace=None,
            diff=None,
        )

    def _add_comments(self) -> None:
        for _ in range(self._random.choice((0, 0, 0, 1, 1, 2, 3))):
            at = self._random.choice(self._times) + dt.timedelta(minutes=self._random.randint(1, 50))
            self._add(
                "illcomments",
                illrequest_id=self._number,
                borrowernumber=self._staff.borrowernumber,
                comment=self._random.choice(_REMARKS),
                timestamp=_by_day(min(at, self._setting.now)),
            )

    def _add_request(self, alias: str | None) -> None:
        paid = self._status in {"COMP", "CHK", "RET"} and self._random.random() < 0.4
        cost = f"{self._random.randint(4, 30)}.50" if paid else None
        self._add(
            "illrequests",
            illrequest_id=self._number,
            borrowernumber=None if self._patron is None else self._patron.borrowernumber,
            managedby=self._staff.borrowernumber if self._random.random() < 0.3 else None,
            biblio_id=self._biblio,
            branchcode=self._branch,
            status=self._status,
            status_alias=alias,
            placed=self._times[0].date(),
            updated=self._times[-1],
            cost=cost,
            price_paid=cost,
            notesopac=self._random.choice((None, None, None, *_OPAC_NOTES)),
            notesstaff=self._random.choice((None, None, None, None, *_STAFF_NOTES)),
            backend=self._setting.backend,
            batch_id=self._sample.batch_of(self._patron, self._branch),
            **self._columns,
        )

    def _add_attributes(self) -> None:
        if self._status == "UNAUTH":
            self._attributes |= {
                "unauthenticated_first_name": "Sam",
                "unauthenticated_last_name": "Page",
                "unauthenticated_email": "sam.page@unauth.ill",
            }
        for kind, value in self._attributes.items():
            self._add(
                "illrequestattributes",
                illrequest_id=self._number,
                backend=self._setting.backend,
                type=kind,
                value=value,
                readonly=1,
            )

    def _add_statistic(self, kind: str, at: dt.datetime, interface: str, **columns: object) -> None:
        unset = dict.fromkeys(("value", "other", "illrequest_id", "itemnumber", "itemtype", "location"))
        self._add(
            "statistics",
            datetime=at,
            branch=self._branch,
            type=kind,
            borrowernumber=None if self._patron is None else self._patron.borrowernumber,
            categorycode=None if self._patron is None else self._patron.categorycode,
            interface=interface,
            **unset | columns,
        )

    def _count_loan(self, kind: str, at: dt.datetime) -> None:
        loan = {"value": 0, "other": "", "itemtype": "ILL", "location": self._branch}
        self._add_statistic(kind, at, "intranet", itemnumber=self._item, **loan)

    def _add(self, table: str, **columns: object) -> None:
        self._sample.rows[table].append(columns)

    @property
    def _borrowernumber(self) -> int:
        """The borrower: the patron, or the reading room."""
        return (self._patron or IN_HOUSE).borrowernumber


def _by_day(at: dt.datetime) -> dt.datetime:
    """
    Move a time at night to the evening before.

    It is more realistic, and MariaDB rejects a timestamp in the hour that daylight saving time skips.
    """
    return (at - dt.timedelta(hours=_MORNING) if at.hour < _MORNING else at).replace(microsecond=0)


def marcxml(biblionumber: int | str, *, title: str, author: str | None, isbn: str | None) -> str:
    """Return the MARC21 record that the Standard backend creates for a book, without items."""
    fields = []
    if isbn:
        fields.append(_field("020", "  ", a=isbn))
    if author:
        fields.append(_field("100", "1 ", a=author))
    fields.append(_field("245", "00", a=title))
    fields.append(_field("942", "  ", n="1"))
    fields.append(_field("999", "  ", c=str(biblionumber), d=str(biblionumber)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<record xmlns="http://www.loc.gov/MARC21/slim"><leader>00000nam a22000007a 4500</leader>'
        f"{''.join(fields)}</record>"
    )


def _field(tag: str, indicators: str, **subfields: str) -> str:
    inner = "".join(
        f'<subfield code="{code}">{escape(value)}</subfield>' for code, value in subfields.items()
    )
    return f'<datafield tag="{tag}" ind1="{indicators[0]}" ind2="{indicators[1]}">{inner}</datafield>'
