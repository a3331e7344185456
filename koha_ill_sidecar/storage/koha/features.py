"""
What the installed Koha can do: every difference between Koha's versions that the sidecar knows of, by name.

Where a change left a trace in the schema, the table or column decides, because stable releases get changes backported
and sites run forks; only the others go by the version number. Services and pages ask these properties and never a
version or a column.

One question does not belong here: a statement that merely leaves out a column which the installed table lacks asks for
that column where it is built (``koha.has(table, column)`` or ``name in table.c``, in ``storage`` only).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from koha_ill_sidecar.errors import KohaSchemaUnsupported


@dataclass(frozen=True, order=True, slots=True)
class KohaVersion:
    """A version as ``systempreferences.Version`` holds it: ``24.0504000`` is 24.05.04.000."""

    major: int
    minor: int
    rest: str = ""

    @classmethod
    def parse(cls, value: str) -> "KohaVersion":
        """Read the preference's text; raises KohaSchemaUnsupported for anything else."""
        match = re.fullmatch(r"(\d{1,2})\.(\d{2})(\d*)", value.strip())
        if match is None:
            raise KohaSchemaUnsupported(
                f"The preference Version holds {value!r}, which is not a Koha version such as 24.1101000. "
                "Is the database that of a Koha installation?"
            )
        return cls(int(match[1]), int(match[2]), match[3])

    @property
    def release(self) -> str:
        """The release as people name it, such as ``24.11``."""
        return f"{self.major}.{self.minor:02d}"

    def __str__(self) -> str:
        return f"{self.release}{self.rest}"


OLDEST_SUPPORTED = KohaVersion(22, 11)

_TABLES_OF_SUPPORTED = (
    "background_jobs",
    "borrower_relationships",
    "itemtypes",
    "library_smtp_servers",
    "smtp_servers",
)
"""Optional tables that each supported version has."""


class Features:
    """
    The features of one installed Koha.

    Args:
        columns: The columns of each table that is there.
    """

    def __init__(self, version: KohaVersion, columns: Mapping[str, Collection[str]]) -> None:
        self._version = version
        self._columns = columns

    def _has(self, table: str, column: str | None = None) -> bool:
        return table in self._columns and (column is None or column in self._columns[table])

    @property
    def unseen_tables(self) -> frozenset[str]:
        """
        Tables that this Koha has and our database user cannot see, because it has no privilege on them.

        Source: Koha's schemas of the supported versions (``sql/koha/``).
        """
        expected = set(_TABLES_OF_SUPPORTED) if self._version >= OLDEST_SUPPORTED else set()
        if self._has("illrequests", "batch_id"):
            expected |= {"illbatches", "illbatch_statuses"}
        return frozenset(expected - set(self._columns))

    # Requests

    @property
    def generic_backend(self) -> str:
        """Name of the backend that every Koha has: Standard, in core from 24.11 (bug 35570); FreeForm before."""
        return "Standard" if self._version >= KohaVersion(24, 11) else "FreeForm"

    @property
    def unauthenticated_requests(self) -> bool:
        """People without an account may ask, and the status UNAUTH exists; from 25.05 (bug 36197)."""
        return self._version >= KohaVersion(25, 5)

    @property
    def revert_from_partners(self) -> bool:
        """A request that was placed with partners can be reverted; from 23.11 (bug 27542)."""
        return self._version >= KohaVersion(23, 11)

    @property
    def updates_single_attributes(self) -> bool:
        """
        Attributes are added and updated one by one, and empty ones are not stored; from 25.11 (bug 40850).

        The change left no trace itself, so a column of the same release stands for it.

        Source: Koha, Koha/ILL/Request.pm add_or_update_attributes.
        """
        return self.request_statistics

    @property
    def managers(self) -> bool:
        """A member of staff can be in charge of a request (``managedby``); from 26.05 (bug 40504)."""
        return self._has("illrequests", "managedby")

    @property
    def batches(self) -> bool:
        """Requests can belong to a batch; from 23.11 (bug 30719)."""
        return self._has("illrequests", "batch_id") and self._has("illbatches")

    @property
    def due_dates(self) -> bool:
        """A request has a due date of its own (``illrequests.due_date``)."""
        return self._has("illrequests", "due_date")

    @property
    def request_statistics(self) -> bool:
        """New and completed requests are counted in ``statistics``; from 25.11 (bug 37901)."""
        return self._has("statistics", "illrequest_id")

    # Messages

    @property
    def logs_patron_notices(self) -> bool:
        """
        Notices to patrons are logged (``PATRON_NOTICE``), and the page of a request can show it; 19.06 cannot.

        An action that Koha's page has no template for breaks the page.

        Source: Koha, Koha/ILL/Request/Logger.pm; Koha/Illrequest/Logger.pm of 19.06 knows STATUS_CHANGE only.
        """
        return self._version >= OLDEST_SUPPORTED

    @property
    def partners_own_their_messages(self) -> bool:
        """A message to a partner is the partner's in Koha, not the sender's; from 23.05 (bug 28634)."""
        return self._version >= KohaVersion(23, 5)

    @property
    def failure_codes(self) -> bool:
        """Koha's pages show why a message failed (``message_queue.failure_code``); 19.06 lacks it."""
        return self._has("message_queue", "failure_code")

    @property
    def letter_links(self) -> bool:
        """A message knows the letter that it was made from (``message_queue.letter_id``); 19.06 lacks it."""
        return self._has("message_queue", "letter_id")

    @property
    def guarantors(self) -> bool:
        """A patron may have several guarantors (``borrower_relationships``); 19.06 lacks it."""
        return self._has("borrower_relationships")

    @property
    def smtp_servers(self) -> bool:
        """Staff can set up mail servers; 19.06 lacks it, and so may our user's privileges."""
        return self._has("smtp_servers") and self._has("library_smtp_servers")

    # Catalogue

    @property
    def control_field_005(self) -> bool:
        """A new record gets the time in field 005; 19.06 does not do that."""
        return self._version >= OLDEST_SUPPORTED

    @property
    def background_jobs(self) -> bool:
        """Workers take jobs from ``background_jobs``; 19.06 lacks them."""
        return self._has("background_jobs")

    @property
    def index_job_queue(self) -> str:
        """
        Name of the queue for jobs that index a record in Elasticsearch: a queue of their own from 23.05.

        Source: Koha, Koha/BackgroundJob/UpdateElasticIndex.pm.
        """
        return "elastic_index" if self._version >= KohaVersion(23, 5) else "default"
