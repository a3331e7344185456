"""What every benchmark shares: the shape of a result, statistics, and a database to measure on."""

import atexit
import functools
import platform
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bulk import load_bulk
from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.demo.koha_database import create_koha_database
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import migrations


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """
    One measured number.

    The goal is about *ratio*: value divided by reference, if there is one.
    """

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float | None
    ratio: float | None
    goal: str
    met: bool

    def as_json(self) -> dict[str, object]:
        """Return the result as in ``var/bench.json``."""
        return {field: getattr(self, field) for field in self.__slots__}


def at_least(
    name: str, value: float, unit: str, *, reference: str, reference_value: float, goal: float
) -> Result:
    """Return a result whose value must be at least *goal* times the reference."""
    met = value / reference_value >= goal
    return _compared(
        name, value, unit, reference, reference_value, f"at least {goal:g} of the reference", met=met
    )


def at_most(
    name: str, value: float, unit: str, *, reference: str, reference_value: float, goal: float
) -> Result:
    """Return a result whose value must be at most *goal* times the reference."""
    met = value / reference_value <= goal
    return _compared(
        name, value, unit, reference, reference_value, f"at most {goal:g} times the reference", met=met
    )


def _compared(
    name: str, value: float, unit: str, reference: str, reference_value: float, goal: str, *, met: bool
) -> Result:
    return Result(
        name=name,
        value=value,
        unit=unit,
        reference=reference,
        reference_value=reference_value,
        ratio=value / reference_value,
        goal=goal,
        met=met,
    )


def under(name: str, value: float, unit: str, *, limit: float) -> Result:
    """Return a result that has a limit and no reference."""
    return Result(
        name=name,
        value=value,
        unit=unit,
        reference="",
        reference_value=None,
        ratio=None,
        goal=f"at most {limit:g} {unit}",
        met=value <= limit,
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which *percent* of the values lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def machine() -> str:
    """Return one line about the machine."""
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = sum(line.startswith("processor") for line in Path("/proc/cpuinfo").read_text().splitlines())
    return f"{processor}, {cores} cores, Linux {platform.release()}, Python {platform.python_version()}"


@contextmanager
def private_server(*, buffer_pool: str = "1G") -> Iterator[PrivateMariaDB]:
    """Start a MariaDB with a durable log, as a library runs it; its data is removed afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="koha-ill-bench-") as directory,
        PrivateMariaDB(
            Path(directory) / "data",
            options=[f"--innodb-buffer-pool-size={buffer_pool}", "--innodb-log-file-size=1G"],
        ) as server,
    ):
        yield server


DATABASE = "koha"
"""Name of the database on :func:`library_server`."""

USER = "koha_ill_sidecar"
PASSWORD = "bench"

_open_servers = ExitStack()
atexit.register(_open_servers.close)


@functools.cache
def library_server(requests: int = 0, messages: int = 0) -> PrivateMariaDB:
    """
    Return a server with the sample library and this number of additional requests and messages.

    It runs until the program ends, and all callers share it: a million requests take minutes to load.
    """
    server = _open_servers.enter_context(private_server(buffer_pool="4G" if requests else "1G"))
    create_koha_database(server, DATABASE, user=USER, password=PASSWORD)
    database = Database(settings_for(server, DATABASE), site=IllSite())
    migrations.migrate(database.engine)
    database.close()
    if requests:
        with server.connect(DATABASE) as connection:
            load_bulk(connection, requests, messages)
            connection.commit()
    return server


def settings_for(server: PrivateMariaDB, database: str) -> DatabaseSettings:
    """Return the settings with which the sidecar's user connects to a database of the private server."""
    return DatabaseSettings(socket=server.socket, user=USER, password=Secret(PASSWORD), database=database)
