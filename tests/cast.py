"""
The small cast that every test knows: two libraries, staff with and without the ``ill`` permission, patrons, partners.

Their IDs are fixed, so that a test can name them.
"""

from collections.abc import Mapping, Sequence

import pymysql

ADA = "CPL"  # Ada Lovelace Library
RIVERSIDE = "MPL"

SUPER = 1  # superlibrarian
CLARA = 2  # staff with the ill permission
DORA = 3  # staff without it
SAM = 5  # patron of Ada Lovelace Library
WEN = 6  # patron of Riverside, reads Traditional Chinese
PAT_WITHOUT_EMAIL = 7
NORTH = 11  # partner
SOUTH = 12  # partner
EAST_WITHOUT_EMAIL = 13  # partner

CATALOGUE_FLAG = 1 << 2
ILL_FLAG = 1 << 22

_LIBRARIES: Sequence[Mapping[str, object]] = (
    {
        "branchcode": ADA,
        "branchname": "Ada Lovelace Library",
        "branchaddress1": "1 Analytical Way",
        "branchphone": "555-0101",
        "branchemail": "desk@ada.example.org",
        "branchillemail": "ill@ada.example.org",
        "pickup_location": 1,
    },
    {
        "branchcode": RIVERSIDE,
        "branchname": "Riverside",
        "branchemail": "desk@riverside.example.org",
        "pickup_location": 1,
    },
)

_CATEGORIES: Sequence[Mapping[str, object]] = (
    {"categorycode": "PT", "description": "Patron", "category_type": "A"},
    {"categorycode": "S", "description": "Staff", "category_type": "S"},
    {"categorycode": "IL", "description": "Interlibrary loan", "category_type": "I"},
    {"categorycode": "ST", "description": "In-house use", "category_type": "X"},
)


def _patron(borrowernumber: int, category: str, **more: object) -> Mapping[str, object]:
    return {
        "borrowernumber": borrowernumber,
        "cardnumber": f"2000{borrowernumber:04d}",
        "categorycode": category,
        "branchcode": ADA,
        "dateenrolled": "2024-01-02",
        "dateexpiry": "2099-12-31",
        "lang": "default",
        "address": "",
        "city": "",
        **more,
    }


_PATRONS: Sequence[Mapping[str, object]] = (
    _patron(
        SUPER, "S", surname="Over", firstname="Sue", userid="super", flags=1, email="sue@ada.example.org"
    ),
    _patron(
        CLARA,
        "S",
        surname="Birchwood",
        firstname="Clara",
        userid="clara",
        flags=CATALOGUE_FLAG | ILL_FLAG,
        email="clara@ada.example.org",
    ),
    _patron(DORA, "S", surname="Dell", firstname="Dora", userid="dora", flags=CATALOGUE_FLAG),
    _patron(
        SAM,
        "PT",
        surname="Page",
        firstname="Sam",
        userid="sam",
        email="sam.page@example.org",
        smsalertnumber="+4915112345678",
    ),
    _patron(
        WEN,
        "PT",
        surname="林",
        firstname="文",
        userid="wen",
        email="wen@example.org",
        branchcode=RIVERSIDE,
        lang="zh-Hant-TW",
    ),
    _patron(PAT_WITHOUT_EMAIL, "PT", surname="Quiet", firstname="Pat", userid="pat"),
    _patron(NORTH, "IL", surname="North Partner", email="ill@north.example.org", branchcode=RIVERSIDE),
    _patron(SOUTH, "IL", surname="South Partner", email="ill@south.example.org", branchcode=RIVERSIDE),
    _patron(EAST_WITHOUT_EMAIL, "IL", surname="East Partner", branchcode=RIVERSIDE),
)

_PREFERENCES: Mapping[str, str] = {
    "ILLModule": "1",
    "IllLog": "1",
    "ILLPartnerCode": "IL",
    "KohaAdminEmailAddress": "admin@koha.example.org",
    "dateformat": "iso",
    "timeformat": "24hr",
}

_STATUS_ALIASES: Sequence[Mapping[str, object]] = (
    {"authorised_value": "WAITING", "lib": "Waiting for supplier", "lib_opac": "Waiting"},
    {"authorised_value": "CHASED", "lib": "Supplier was reminded", "lib_opac": "Waiting"},
)


def load(
    connection: "pymysql.connections.Connection[pymysql.cursors.Cursor]", *, alias_category: str
) -> None:
    """Insert the cast, with the columns that this version has."""
    for library in _LIBRARIES:
        insert(connection, "branches", library)
    for category in _CATEGORIES:
        insert(connection, "categories", category)
    for patron in _PATRONS:
        insert(connection, "borrowers", patron)
    for alias in _STATUS_ALIASES:
        insert(connection, "authorised_values", {"category": alias_category, **alias})
    with connection.cursor() as cursor:
        for variable, value in _PREFERENCES.items():
            cursor.execute(
                "INSERT INTO systempreferences (variable, value) VALUES (%s, %s)"
                " ON DUPLICATE KEY UPDATE value = VALUES(value)",
                (variable, value),
            )


def insert(
    connection: "pymysql.connections.Connection[pymysql.cursors.Cursor]",
    table: str,
    row: Mapping[str, object],
) -> int:
    """Insert one row without the columns that this version lacks; return its AUTO_INCREMENT ID, if it has one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s",
            (table,),
        )
        present = {name for (name,) in cursor.fetchall()}
        values = {name: value for name, value in row.items() if name in present}
        columns = ", ".join(f"`{name}`" for name in values)
        placeholders = ", ".join(["%s"] * len(values))
        cursor.execute(f"INSERT INTO `{table}` ({columns}) VALUES ({placeholders})", tuple(values.values()))
        return int(cursor.lastrowid)
