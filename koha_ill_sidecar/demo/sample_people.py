"""The libraries, staff, patrons, partner libraries and circulation rules of the sample library."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from koha_ill_sidecar.demo.rows import Row, rows_of

# The password of every account that can log in, and its hash as Koha stores it: bcrypt, cost 8.
STAFF_PASSWORD = "koha-demo"  # noqa: S105 - the demo prints it
_PASSWORD_HASH = "$2a$08$CwTycUXWue0Thq9StjUM0u1VNJWi8QVJ/LtFgsUFfsIjb5E9DXjnO"  # noqa: S105

PARTNER_CATEGORY = "IL"

_CIRCULATE = 1 << 1
_CATALOGUE = 1 << 2
_ILL = 1 << 22


def libraries() -> Iterator[Row]:
    """Yield five libraries: one has no email address for ILL; one has no address at all and is no pickup location."""
    for code, name, street, city, phone, email, ill_email, pickup in (
        ("CPL", "Ada Lovelace Library", "1 Analytical Way", "Marylebone", "555-0101", "desk", "ill", 1),
        ("MPL", "Riverside", "22 Ferry Lane", "Oxbow", "555-0122", "desk", None, 1),
        ("HPL", "Harbour Branch", "Quay 7", "Oxbow", "555-0133", "desk", "ill", 1),
        ("TPL", "山城圖書館", "中山路 15 號", "山城", "555-0144", "desk", "ill", 1),
        ("ARC", "Archive and Storehouse", "Old Mill", "Marylebone", None, None, None, 0),
    ):
        domain = "ada.example.org" if code == "CPL" else f"{code.lower()}.example.org"
        yield {
            "branchcode": code,
            "branchname": name,
            "branchaddress1": street,
            "branchcity": city,
            "branchphone": phone,
            "branchemail": email and f"{email}@{domain}",
            "branchillemail": ill_email and f"{ill_email}@{domain}",
            "pickup_location": pickup,
            "public": 1,
        }


CATEGORIES = rows_of(
    ("categorycode", "description", "category_type", "can_place_ill_in_opac"),
    (
        ("PT", "Patron", "A", 1),
        ("ST", "Student", "A", 1),
        ("J", "Juvenile", "C", 0),
        ("S", "Staff", "S", 1),
        (PARTNER_CATEGORY, "Interlibrary loan", "I", 0),
        ("INHOUSE", "In-house use", "X", 0),
    ),
    enrolmentperiod=99,
)

ITEM_TYPES = rows_of(
    ("itemtype", "description", "notforloan"),
    (
        ("BK", "Books", 0),
        ("ILL", "Interlibrary loan", 0),
        ("CF", "Computer files", 0),
        ("REF", "Reference", 1),
    ),
)

# Loan periods are shorter for ILL items and for students.
CIRCULATION_RULES = rows_of(
    ("categorycode", "itemtype", "rule_name", "rule_value"),
    (
        (None, None, "maxissueqty", "10"),
        (None, None, "issuelength", "28"),
        (None, None, "lengthunit", "days"),
        (None, None, "renewalsallowed", "3"),
        (None, None, "reservesallowed", "5"),
        (None, "ILL", "maxissueqty", "5"),
        (None, "ILL", "issuelength", "21"),
        (None, "ILL", "lengthunit", "days"),
        (None, "ILL", "renewalsallowed", "1"),
        ("ST", "ILL", "maxissueqty", "3"),
        ("ST", "ILL", "issuelength", "14"),
        ("ST", "ILL", "lengthunit", "days"),
    ),
    branchcode=None,
)


def weekly_closings() -> list[Row]:
    """Return the weekly closing day of every library: Sunday (weekday 0)."""
    codes = [(library["branchcode"],) for library in libraries()]
    return rows_of(("branchcode",), codes, weekday=0, day=None, month=None, title="Sunday", description="")


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A row of borrowers, with the properties that the sample requests need."""

    borrowernumber: int
    surname: str
    firstname: str | None
    categorycode: str
    branchcode: str
    userid: str | None = None
    email: str | None = None
    smsalertnumber: str | None = None
    lang: str = "default"
    flags: int | None = None
    transports: tuple[str, ...] = ()  # chosen for every ILL message
    expired: bool = False
    debarred: bool = False

    @property
    def is_partner(self) -> bool:
        """Return whether this is a partner library's account."""
        return self.categorycode == PARTNER_CATEGORY


_STAFF = (
    Person(
        borrowernumber=1, surname="Over", firstname="Sue", categorycode="S", branchcode="CPL", userid="super",
        email="sue@ada.example.org", flags=1,
    ),
    Person(
        borrowernumber=2, surname="Birchwood", firstname="Clara", categorycode="S", branchcode="CPL",
        userid="clara", email="clara@ada.example.org", flags=_CIRCULATE | _CATALOGUE | _ILL,
    ),
    Person(
        borrowernumber=3, surname="Dell", firstname="Dora", categorycode="S", branchcode="CPL", userid="dora",
        email="dora@ada.example.org", flags=_CIRCULATE | _CATALOGUE,
    ),
    Person(
        borrowernumber=4, surname="周", firstname="美玲", categorycode="S", branchcode="TPL", userid="meiling",
        email="meiling@tpl.example.org", lang="zh-Hant-TW", flags=_CIRCULATE | _CATALOGUE | _ILL,
    ),
)  # fmt: skip

_BY_EMAIL = ("email",)
_BY_BOTH = ("email", "sms")

_KNOWN_PATRONS = (
    Person(
        borrowernumber=5, surname="Page", firstname="Sam", categorycode="PT", branchcode="CPL", userid="sam",
        email="sam.page@example.org", smsalertnumber="+64211234567", transports=_BY_BOTH,
    ),
    Person(
        borrowernumber=6, surname="林", firstname="文", categorycode="PT", branchcode="TPL", userid="wen",
        email="wen.lin@example.org", lang="zh-Hant-TW", transports=_BY_EMAIL,
    ),
    Person(borrowernumber=7, surname="Quiet", firstname="Pat", categorycode="PT", branchcode="MPL", userid="pat"),
    Person(
        borrowernumber=8, surname="Hawkins", firstname="Sam", categorycode="PT", branchcode="MPL",
        email="sam.hawkins@example.org", userid="hawkins", transports=_BY_EMAIL,
    ),
    Person(
        borrowernumber=9, surname="Late", firstname="Lou", categorycode="ST", branchcode="CPL", userid="lou",
        email="lou@example.org", transports=_BY_EMAIL, expired=True,
    ),
    Person(
        borrowernumber=10, surname="Barr", firstname="Dee", categorycode="ST", branchcode="HPL", userid="dee",
        email="dee@example.org", transports=_BY_EMAIL, debarred=True,
    ),
)  # fmt: skip

_PARTNERS = tuple(
    Person(
        borrowernumber=number, surname=name, firstname=None, categorycode=PARTNER_CATEGORY, branchcode=branch,
        email=email,
    )
    for number, name, branch, email in (
        (11, "North Partner", "CPL", "ill@north.example.org"),
        (12, "South Partner", "CPL", "ill@south.example.org"),
        (13, "East Partner", "CPL", None),
        (14, "Meridian University Library", "MPL", "borrowing@meridian.example.org"),
        (15, "國立海濱大學圖書館", "TPL", "ill@seaside.example.org"),
        (16, "Bibliothèque de la Manche", "HPL", "pret@manche.example.org"),
        (17, "West Partner", "HPL", None),
    )
)  # fmt: skip

IN_HOUSE = Person(
    borrowernumber=18, surname="Reading room", firstname=None, categorycode="INHOUSE", branchcode="CPL"
)

_MORE_NAMES = (
    ("Åsa", "Öberg"), ("Chidi", "Okonkwo"), ("Duc", "Nguyễn"), ("Ewa", "Żółkiewska"), ("Fatma", "Şahin"),
    ("Giorgos", "Παπαδόπουλος"), ("Hana", "山本"), ("Ioana", "Țepeș"), ("José", "Núñez"), ("Kirill", "Ежов"),
    ("Leilani", "Kahananui"), ("Mahmoud", "الحداد"), ("Ngaio", "Whetū"), ("Oisín", "Ó Briain"),
    ("Priya", "नायर"), ("Quentin", "D'Arcy"), ("Ruth", "Cohen"), ("서연", "김"), ("Tomáš", "Dvořák"),
    ("Umar", "Farouk"), ("Vera", "Lind"), ("Wanjiru", "Kamau"), ("曉明", "陳"), ("Ylva", "Ek"), ("Zoë", "Marsh"),
    ("Anna-Lena", "von der Heide"), ("Bo", "Li"), ("Cleo", "Smith"), ("Dan", "Smith"), ("怡君", "王"),
)  # fmt: skip
_FIRST_OF_THE_MORE = 19


def people(random: Random) -> tuple[Person, ...]:
    """Return all people: staff, the patrons that tests and the demo name, partners, and more patrons."""
    more = (
        _patron(_FIRST_OF_THE_MORE + position, firstname, surname, random)
        for position, (firstname, surname) in enumerate(_MORE_NAMES)
    )
    return (*_STAFF, *_KNOWN_PATRONS, *_PARTNERS, IN_HOUSE, *more)


def _patron(number: int, firstname: str, surname: str, random: Random) -> Person:
    transports = random.choice((_BY_EMAIL, _BY_EMAIL, _BY_BOTH, ()))
    has_email = bool(transports) or random.random() < 0.5
    is_chinese = firstname in {"曉明", "怡君"}
    return Person(
        borrowernumber=number,
        surname=surname,
        firstname=firstname,
        categorycode=random.choice(("PT", "PT", "ST", "J")),
        branchcode="TPL" if is_chinese else random.choice(("CPL", "CPL", "MPL", "HPL")),
        userid=f"reader{number}",
        email=f"reader{number}@example.org" if has_email else None,
        smsalertnumber=f"+6421555{number:04}" if "sms" in transports else None,
        lang="zh-Hant-TW" if is_chinese else "default",
        transports=transports,
        expired=random.random() < 0.08,
    )


def borrower_rows(people: tuple[Person, ...], today: dt.date) -> Iterator[Row]:
    """Yield the rows of borrowers; expired and debarred patrons are so on *today*."""
    for person in people:
        yield {
            "borrowernumber": person.borrowernumber,
            "cardnumber": f"2000{person.borrowernumber:04}",
            "surname": person.surname,
            "firstname": person.firstname,
            "address": f"{person.borrowernumber} Example Street",
            "city": "Oxbow",
            "email": person.email,
            "branchcode": person.branchcode,
            "categorycode": person.categorycode,
            "dateenrolled": today - dt.timedelta(days=900 + person.borrowernumber),
            "dateexpiry": today - dt.timedelta(days=40)
            if person.expired
            else today + dt.timedelta(days=1500),
            "debarred": today + dt.timedelta(days=60) if person.debarred else None,
            "debarredcomment": "Lost a loan of another library" if person.debarred else None,
            "password": _PASSWORD_HASH if person.userid else "!",
            "userid": person.userid,
            "flags": person.flags,
            "smsalertnumber": person.smsalertnumber,
            "sms_provider_id": SMS_PROVIDER if person.smsalertnumber else None,
            "lang": person.lang,
        }


def debarment_rows(people: tuple[Person, ...], today: dt.date) -> Iterator[Row]:
    """Yield the restrictions that borrowers.debarred is derived from."""
    for person in people:
        if person.debarred:
            yield {
                "borrowernumber": person.borrowernumber,
                "expiration": today + dt.timedelta(days=60),
                "type": "MANUAL",
                "comment": "Lost a loan of another library",
            }


SMS_PROVIDER = 1
# The gateway receives text messages by mail to NUMBER@sms.example.org.
SMS_PROVIDERS: Sequence[Row] = ({"id": SMS_PROVIDER, "name": "Example Mobile", "domain": "sms.example.org"},)

ILL_MESSAGES = {"ILL_PICKUP_READY": 7, "ILL_REQUEST_UNAVAIL": 8, "ILL_REQUEST_UPDATE": 11}


def messaging_preferences(
    people: tuple[Person, ...], attributes: frozenset[int]
) -> tuple[list[Row], list[Row]]:
    """
    Return the messaging preferences of patrons and of two categories for ILL messages, and their transports.

    Args:
        attributes: The IDs of the message types that the installed version has.
    """
    choices: list[Row] = []
    transports: list[Row] = []
    owners: list[tuple[int | None, str | None, tuple[str, ...]]] = [
        (None, "PT", _BY_EMAIL),
        (None, "ST", _BY_BOTH),
    ]
    owners += [(person.borrowernumber, None, person.transports) for person in people if person.transports]
    for borrowernumber, categorycode, chosen in owners:
        for attribute in sorted(attributes.intersection(ILL_MESSAGES.values())):
            number = len(choices) + 1
            choices.append(
                {
                    "borrower_message_preference_id": number,
                    "borrowernumber": borrowernumber,
                    "categorycode": categorycode,
                    "message_attribute_id": attribute,
                    "days_in_advance": None,
                    "wants_digest": 0,
                }
            )
            transports += [
                {"borrower_message_preference_id": number, "message_transport_type": name} for name in chosen
            ]
    return choices, transports
