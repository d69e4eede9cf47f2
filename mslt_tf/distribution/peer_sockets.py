"""Sockets that workers call each other with: a worker's own port, and the addresses of others."""

import asyncio
import contextlib
import errno
import socket
import threading
from typing import Any

from mslt_tf.distribution.cluster import Cluster, split_address
from mslt_tf.errors import UserError

SocketAddress = tuple[int, tuple[Any, ...]]  # family, and what that family connects to

_NUM_WAITING = 512  # callers that the system lets wait


def listen(cluster: Cluster) -> socket.socket:
    """Listens on this worker's port, on all interfaces: IPv4 ones, unless its address is another.

    A name may stand for both IP versions, so that one listens for both where the machine can.

    Raises:
        UserError: the port is in use, or not for us.
    """
    host, port = split_address(cluster.address)
    is_ipv4 = _is_of(socket.AF_INET, host)
    both = not is_ipv4 and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or _is_of(socket.AF_INET6, host) else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # TensorFlow's server must get the port at once afterwards.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if both:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("", port))
        listener.listen(_NUM_WAITING)
    except OSError as error:
        listener.close()
        reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise UserError(
            f"{cluster.name} cannot listen on port {port} of this machine: {reason}. End the "
            "program that has the port (perhaps a worker of an earlier run), or give this worker "
            "another port, in the list of every worker."
        ) from error
    listener.setblocking(False)
    return listener


def _is_of(family: socket.AddressFamily, host: str) -> bool:
    """Returns whether the host is a number of this kind, not a name."""
    try:
        return bool(socket.getaddrinfo(host.encode(), None, family, flags=socket.AI_NUMERICHOST))
    except socket.gaierror:
        return False


async def look_up(host: str, port: int) -> list[SocketAddress]:
    """Returns the addresses of a host.

    In a thread of its own: a slow name server must hold up neither the other workers nor the end.

    Raises:
        socket.gaierror: the name cannot be resolved.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[SocketAddress]] = loop.create_future()

    def settle(result: list[SocketAddress] | OSError) -> None:
        if future.done():  # nobody waits any more
            return
        if isinstance(result, OSError):
            future.set_exception(result)
        else:
            future.set_result(result)

    def work() -> None:
        result = _addresses_or_error(host, port)
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=work, daemon=True).start()
    return await future


def _addresses_or_error(host: str, port: int) -> list[SocketAddress] | OSError:
    try:
        # Bytes, since names in text can fail with a UnicodeError.
        found = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    return [(family, address) for family, _, _, _, address in found]
