"""A real Galera cluster of three nodes on this host, whose nodes a test kills and starts again."""

import os
import random
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from koha_ill_sidecar.demo.mariadb import PrivateMariaDB

_PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
_NODES = 3

# A node that does not answer is out after 3 s, by default after 5. In less, a busy machine loses nodes that run.
_TIMES = "evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S"


# Outside the range from which the kernel takes ports for others, because a node needs its ports again when it returns.
_PORTS = range(20_000, 32_000)


def is_installed() -> bool:
    """Return whether this host has all that a cluster needs: Debian's mariadb-server brings it."""
    return _PROVIDER.exists() and shutil.which("wsrep_sst_rsync") is not None


class Node(PrivateMariaDB):
    """One node."""

    def status(self, name: str) -> str:
        """Return one of the node's ``wsrep_`` status variables."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE %s", (f"wsrep_{name}",))
            found = cursor.fetchone()
        return str(found[1]) if found else ""

    def is_synced(self, size: int) -> bool:
        """Return whether the node sees a cluster of this size and has all that the others have."""
        return (self.status("cluster_size"), self.status("local_state_comment")) == (str(size), "Synced")

    @property
    def _user(self) -> str:
        # rsync's daemon, which copies the data, drops root's rights and could not write what root owns.
        return "mysql" if os.geteuid() == 0 else super()._user

    def bootstrap(self) -> None:
        """Start the node as the first of a new cluster."""
        self._initialise()
        self._own_data()
        members = self._options
        self._options = (*members, "--wsrep-new-cluster")
        super().start()
        self._options = members

    def start(self) -> None:
        """Start the node, which copies the data of the others if it lacks what they have."""
        (self.data_directory / "mysql").mkdir(parents=True, exist_ok=True)
        self._own_data()
        super().start()

    def _own_data(self) -> None:
        if os.geteuid() == 0:
            for path in (self.data_directory, *self.data_directory.rglob("*")):
                shutil.chown(path, self._user)


@contextmanager
def cluster(
    prepare: Callable[[PrivateMariaDB], None], wait: Callable[[Callable[[], object]], None]
) -> Iterator[list[Node]]:
    """Start a cluster; *prepare* fills its first node, and the others copy it. *wait* waits until a condition holds."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="galera-")))
        directory.chmod(0o755)
        ports = _free_ports(_NODES * 3)
        nodes = [_node(directory / f"node{number}", number, ports) for number in range(_NODES)]
        for node in nodes:
            stack.callback(node.stop)
        nodes[0].bootstrap()
        prepare(nodes[0])
        for number, node in enumerate(nodes[1:], start=2):
            node.start()
            # A donor that is not back yet must not have to take in the next node.
            wait(partial(_are_synced, nodes[:number]))
        yield nodes


def _are_synced(nodes: Sequence[Node]) -> bool:
    return all(node.is_synced(len(nodes)) for node in nodes)


def _node(data: Path, number: int, ports: list[int]) -> Node:
    group, increments, copies = ports[number::_NODES]
    members = ",".join(f"127.0.0.1:{port}" for port in ports[:_NODES])
    provider = (
        f"gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{increments};"
        f"base_host=127.0.0.1;base_port={group};gcache.size=16M;{_TIMES}"
    )
    options = [
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=32M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-autoinc-lock-mode=2",
        "--binlog-format=ROW",
        "--wsrep-on=ON",
        f"--wsrep-provider={_PROVIDER}",
        f"--wsrep-provider-options={provider}",
        f"--wsrep-cluster-address=gcomm://{members}",
        f"--wsrep-node-name=node{number}",
        f"--wsrep-node-address=127.0.0.1:{group}",
        f"--wsrep-sst-receive-address=127.0.0.1:{copies}",
        "--wsrep-sst-method=rsync",
    ]
    return Node(data, options=options)


def _free_ports(number: int) -> list[int]:
    found: list[int] = []
    # Not the seeded numbers of the tests, which would be the same in two runs at once.
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == number:
            break
    return found
