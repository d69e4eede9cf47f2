"""Workers that check each other over the loopback interface, and others that are none."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from mslt_tf.distribution import peer_greeting
from mslt_tf.distribution.cluster import Cluster, split_address
from mslt_tf.distribution.peer_check import check_peers

FACTS = {"version": "1.0", "flag seed": "1"}


def free_addresses(count: int, host: str = "127.0.0.1") -> tuple[str, ...]:
    """Returns addresses that nobody listens on.

    Below the ports of outgoing connections, which could take them before their worker does.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(12_000, 32_000)
        if port not in ports and is_free(port):
            ports.append(port)
    return tuple(f"{host}:{port}" for port in ports)


def is_free(port: int) -> bool:
    """Returns whether the port can be bound, even without SO_REUSEADDR."""
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


class Worker:
    """One call of check_peers, in a thread; afterwards its error and its reports."""

    def __init__(self, cluster: Cluster, facts: dict[str, str] | None = None, time_limit=20.0):
        self.error: Exception | None = None
        self.reports: list[str] = []
        self._arguments = (cluster, facts or FACTS, time_limit)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        cluster, facts, time_limit = self._arguments
        try:
            check_peers(cluster, facts=facts, time_limit=time_limit, report=self.reports.append)
        except Exception as error:
            self.error = error

    def wait(self) -> "Worker":
        self._thread.join(30.0)
        assert not self._thread.is_alive()
        return self

    @property
    def is_waiting(self) -> bool:
        return self._thread.is_alive()

    @property
    def message(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


def start_all(addresses: Sequence[str], **options) -> list[Worker]:
    workers = tuple(addresses)
    return [Worker(Cluster(workers, index), **options) for index in range(len(workers))]


@contextlib.contextmanager
def impostor(
    address: str, serve: Callable[[socket.socket], object] | None = None
) -> Iterator[None]:
    """Listens on the address and does `serve` with each connection; None: never accepts one."""
    with socket.create_server(split_address(address)) as listener:
        thread = threading.Thread(target=_serve_all, args=(listener, serve))
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve_all(listener: socket.socket, serve: Callable[[socket.socket], object] | None) -> None:
    while serve:
        try:
            connection, _ = listener.accept()
        except OSError:  # shut down
            return
        with connection, contextlib.suppress(OSError):
            serve(connection)


def greeting(cluster: Cluster, called: int, facts: dict[str, str] | None = None) -> bytes:
    return peer_greeting.greeting_of(cluster, facts or FACTS, called=called).to_line()


def read_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as file:
        return file.readline()


def connect(address: str) -> socket.socket:
    """Connects to a worker, which may have just begun."""
    end = time.monotonic() + 10.0
    while True:
        try:
            return socket.create_connection(split_address(address), timeout=10.0)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.01)


def call(address: str, *lines: bytes) -> bytes:
    """Sends the lines, waiting for an answer after the first; returns the answer."""
    with connect(address) as connection:
        connection.sendall(lines[0])
        answer = read_line(connection)
        for line in lines[1:]:
            connection.sendall(line)
    return answer


def answer_as(cluster: Cluster, called: int) -> Callable[[socket.socket], None]:
    """Returns what an impostor does that greets like a worker but calls nobody."""

    def serve(connection: socket.socket) -> None:
        read_line(connection)
        connection.sendall(greeting(cluster, called))
        read_line(connection)

    return serve
