"""
The sidecar's own tables, as ``sql/migrations`` creates them.

Instants are stored in UTC, to the microsecond, by the database's clock, which all hosts share.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TextClause,
    text,
)
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.types import TypeDecorator

from koha_ill_sidecar.domain.request_index.documents import KEYED_COLUMNS

VERSION = 7
"""The newest migration that this program knows."""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime in Python, UTC wall-clock time in the table."""

    impl = DATETIME(fsp=6)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone cannot be stored")
        return in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


def in_utc(instant: datetime | None) -> datetime | None:
    """Return an aware instant as these tables hold it, for statements that bypass SQLAlchemy's types."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)


def utc_now() -> TextClause:
    """Return the time by the database's clock, for use in a statement."""
    return text("UTC_TIMESTAMP(6)")


metadata = MetaData()

migrations = Table(
    "ill_sidecar_migrations",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", String(191), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("applied_at", UTCDateTime, nullable=False),
)

requests = Table(
    "ill_sidecar_requests",
    metadata,
    Column("illrequest_id", BigInteger, primary_key=True, autoincrement=False),
    Column("supplier_backend", String(80)),
    Column("seen_status", String(50)),
    Column("seen_alias", String(80)),
    Column("order_id", String(191)),
    Column("is_open", Boolean, nullable=False),
    Column("status_rank", SmallInteger),
    Column("rank_attempt", String(191)),
    Column("last_event_at", UTCDateTime),
    Column("vendor_status", String(80)),
    Column("patron_told", Text),
    Column("attention", Text),
    Column("attention_at", UTCDateTime),
    Column("long_values", JSON(none_as_null=True)),
    Column("seen_at", UTCDateTime, nullable=False),
)

history = Table(
    "ill_sidecar_history",
    metadata,
    Column("history_id", BigInteger, primary_key=True),
    Column("illrequest_id", BigInteger, nullable=False),
    Column("happened_at", UTCDateTime, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("borrowernumber", Integer, nullable=False),
    Column("interface", String(30), nullable=False),
    Column("detail", JSON, nullable=False),
)

partner_enquiries = Table(
    "ill_sidecar_partner_enquiries",
    metadata,
    Column("enquiry_id", BigInteger, primary_key=True),
    Column("illrequest_id", BigInteger, nullable=False),
    Column("borrowernumber", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("message_id", Integer),
    Column("asked_at", UTCDateTime, nullable=False),
    Column("closed_at", UTCDateTime),
    Column("closed_by_status", String(50)),
)

receipts = Table(
    "ill_sidecar_receipts",
    metadata,
    Column("receipt_id", BigInteger, primary_key=True),
    Column("backend", String(80), nullable=False),
    Column("event_id", String(191), nullable=False),
    Column("received_at", UTCDateTime, nullable=False),
    Column("occurred_at", UTCDateTime),
    Column("illrequest_id", BigInteger),
    Column("order_id", String(191)),
    Column("authentication", String(40), nullable=False),
    Column("remote_address", String(45), nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("body_key", String(64)),
    Column("verdict", String(20), nullable=False),
    Column("answer_status", SmallInteger, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("conflicts", Integer, nullable=False),
    Column("conflicting_body", LargeBinary),
    Column("replayed_at", UTCDateTime),
)

deliveries = Table(
    "ill_sidecar_deliveries",
    metadata,
    Column("message_id", Integer, primary_key=True, autoincrement=False),
    Column("mail_message_id", String(255), nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UTCDateTime),
    Column("lease_holder", String(191)),
    Column("lease_until", UTCDateTime),
    Column("first_attempt_at", UTCDateTime, nullable=False),
    Column("last_attempt_at", UTCDateTime, nullable=False),
    Column("settled_at", UTCDateTime),
    Column("reached", JSON),
    Column("last_error", Text),
)

outbox = Table(
    "ill_sidecar_outbox",
    metadata,
    Column("outbox_id", BigInteger, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UTCDateTime, nullable=False),
    Column("last_error", Text),
)

leases = Table(
    "ill_sidecar_leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(191)),
    Column("lease_until", UTCDateTime),
    Column("last_started_at", UTCDateTime),
    Column("last_finished_at", UTCDateTime),
    Column("last_outcome", String(10)),
    Column("last_error", Text),
    Column("runs", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
)

checkpoints = Table(
    "ill_sidecar_marks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("moved_at", UTCDateTime, nullable=False),
)

sessions = Table(
    "ill_sidecar_sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("borrowernumber", Integer, nullable=False),
    Column("branchcode", String(10), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("last_used_at", UTCDateTime, nullable=False),
    Column("password_sha256", String(64), nullable=False),
)

person_settings = Table(
    "ill_sidecar_person_settings",
    metadata,
    Column("borrowernumber", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
)

listing = Table(
    "ill_sidecar_listing",
    metadata,
    Column("illrequest_id", BigInteger, primary_key=True, autoincrement=False),
    Column("fingerprint", BigInteger, nullable=False),
    Column("attributes_fingerprint", BigInteger, nullable=False),
    Column("is_open", Boolean, nullable=False),
    *(Column(f"{column}_key", LargeBinary, nullable=False) for column in KEYED_COLUMNS),
    Column("facets", Text, nullable=False),
    Column("document", Text, nullable=False),
)

postings = Table(
    "ill_sidecar_postings",
    metadata,
    Column("term", LargeBinary, primary_key=True),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("bitmap", LargeBinary, nullable=False),
)

slices = Table(
    "ill_sidecar_slices",
    metadata,
    Column("column_name", String(20), primary_key=True),
    Column("lower_key", LargeBinary, primary_key=True),
    Column("lower_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bitmap", LargeBinary, nullable=False),
)

index_queue = Table(
    "ill_sidecar_index_queue",
    metadata,
    Column("change_id", BigInteger, primary_key=True),
    Column("illrequest_id", BigInteger, nullable=False),
)

figures = Table(
    "ill_sidecar_figures",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("made_at", UTCDateTime, nullable=False),
)
