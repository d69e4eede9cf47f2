"""Whether all workers reach each other and agree, before TensorFlow's server takes their ports.

TensorFlow waits for a missing worker without a word, and workers with different flags hang or
train nonsense. Here, every worker listens on its own port and calls every other one until it
answers. A call is three lines: the caller's greeting, the answer, which is the other one's
greeting, and SEEN. The called side counts a call only at its end, so nobody leaves while somebody
still needs it. Nothing from the network is trusted: lines are bounded, what is no greeting is
dropped.
"""

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from mslt_tf.distribution import peer_greeting, peer_sockets
from mslt_tf.distribution.cluster import Cluster, split_address
from mslt_tf.distribution.peer_greeting import Greeting
from mslt_tf.errors import UserError

_SEEN = b"seen\n"
_CALL_SECONDS = 5.0  # for one call; then another one begins
_GREETING_SECONDS = 10.0  # for a caller, to send its greeting
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.05, 1.0  # between two calls
_LINGER_SECONDS = 2.0  # after a disagreement, so that the others hear of it too
_REPORT_SECONDS = 9.0
_MAX_NAMES_IN_REPORT = 8

_NO_NAME = "name cannot be resolved"
_NO_ANSWER = "no answer"


class _CallError(Exception):
    """A call failed; the message says how."""


@dataclasses.dataclass
class _Peer:
    """What we know of another worker."""

    index: int
    name: str
    reached: bool = False  # we called it
    heard: bool = False  # it called us
    trouble: str = _NO_NAME  # of the latest call, or what keeps it waiting

    @property
    def state(self) -> str:
        if not self.reached:
            one_way = " (it has reached this worker)" if self.heard else ""
            return f"not reached: {self.trouble}{one_way}"
        return (
            "reached" if self.heard else "reached, but it has not reached this worker (firewall?)"
        )


def check_peers(
    cluster: Cluster,
    *,
    facts: Mapping[str, str],
    time_limit: float,
    report: Callable[[str], None],
) -> None:
    """Waits until every worker has reached every other one; then this worker's port is free again.

    All workers must call it, within the time limit.

    Args:
        cluster: all workers, and which of them this process is.
        facts: what must be the same on all workers, such as flags and versions, by name.
        time_limit: seconds to wait for the others.
        report: takes a line for people, at least every 10 s while workers are missing, and one
            at the end.

    Raises:
        UserError: this worker's port is in use; a worker is missing at the time limit; another
            worker has other facts, another list of workers or a wrong index.
        ValueError: the facts have more than 64 KiB.
    """
    peer_greeting.greeting_of(cluster, facts, called=cluster.num_workers)  # refuses large facts
    with peer_sockets.listen(cluster) as listener:
        asyncio.run(_Check(cluster, facts, report).run(listener, time_limit))


class _Check:
    """One check; all in one thread, except that names are looked up in others."""

    def __init__(
        self, cluster: Cluster, facts: Mapping[str, str], report: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._facts = facts
        self._report = report
        others = (index for index in range(cluster.num_workers) if index != cluster.index)
        self._peers = {index: _Peer(index, cluster.name_of(index)) for index in others}
        self._error: BaseException | None = None  # what the check ends with, soon
        self._end = 0.0  # of the check, in the event loop's time
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._callers: set[socket.socket] = set()  # accepted and still open

    async def run(self, listener: socket.socket, time_limit: float) -> None:
        """Does the check; leaves no connection open."""
        clock = asyncio.get_running_loop().time
        start = clock()
        self._end = start + time_limit
        self._listen(listener)
        for peer in self._peers.values():
            self._start(self._call_until_reached(peer))
        try:
            await self._wait(start)
        finally:
            asyncio.get_running_loop().remove_reader(listener)
            await self._stop()
        if self._error:
            raise self._error
        if self._missing:
            raise UserError(self._describe_failure(time_limit))
        self._report(f"all {self._cluster.num_workers} workers reached in {clock() - start:.1f} s")

    @property
    def _missing(self) -> list[_Peer]:
        return [peer for peer in self._peers.values() if not (peer.reached and peer.heard)]

    async def _wait(self, start: float) -> None:
        """Returns when nobody is missing, or time is up."""
        clock = asyncio.get_running_loop().time
        next_report = start + _REPORT_SECONDS
        while self._missing and clock() < self._end:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(next_report, self._end)):
                    await self._changed.wait()
            if clock() >= next_report:
                self._report(self._describe_waiting(clock() - start))
                next_report = clock() + _REPORT_SECONDS

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end_task)

    def _end_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._fail(task.exception(), 0.0)  # a defect of ours, if any

    async def _stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for caller in self._callers:  # whose tasks were cancelled before they began
            caller.close()

    def _fail(self, error: BaseException | None, linger: float) -> None:
        if error and not self._error:
            self._error = error
            self._end = min(self._end, asyncio.get_running_loop().time() + linger)
            self._changed.set()

    def _refuse(self, problem: str | None) -> None:
        self._fail(UserError(problem) if problem else None, _LINGER_SECONDS)

    async def _call_until_reached(self, peer: _Peer) -> None:
        host, port = split_address(self._cluster.workers[peer.index])
        pause, attempt = _FIRST_PAUSE_SECONDS, 0
        while not peer.reached:
            try:
                addresses = await peer_sockets.look_up(host, port)
                if peer.trouble == _NO_NAME:
                    peer.trouble = _NO_ANSWER
                async with asyncio.timeout(_CALL_SECONDS):
                    await self._call(peer, *addresses[attempt % len(addresses)])
            except (OSError, _CallError) as error:
                peer.trouble = _trouble(error)
                await asyncio.sleep(pause)
            pause, attempt = min(pause * 1.5, _MAX_PAUSE_SECONDS), attempt + 1

    async def _call(self, peer: _Peer, family: int, address: tuple[Any, ...]) -> None:
        loop = asyncio.get_running_loop()
        own = peer_greeting.greeting_of(self._cluster, self._facts, called=peer.index)
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, address)
            if connection.getsockname() == connection.getpeername():
                raise ConnectionRefusedError  # Linux can connect a socket of this machine to itself
            await loop.sock_sendall(connection, own.to_line())
            answer = await _read_greeting(connection)
            await loop.sock_sendall(connection, _SEEN)
        peer.reached = True
        self._refuse(peer_greeting.find_problem_of_answer(self._cluster, own, answer))
        self._changed.set()

    def _listen(self, listener: socket.socket) -> None:
        # Not by sock_accept: ended in the moment of a call, it takes the call and forgets it
        # (Python 3.11). That can be another worker's TensorFlow, which then waits for ever.
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            caller, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # such as too many open files
            loop.remove_reader(listener)
            loop.call_later(_FIRST_PAUSE_SECONDS, self._listen, listener)
            return
        if len(self._callers) > 4 * self._cluster.num_workers + 64:
            caller.close()
            return
        caller.setblocking(False)
        self._callers.add(caller)
        self._start(self._answer(caller, address[0].removeprefix("::ffff:")))

    async def _answer(self, caller: socket.socket, host: str) -> None:
        loop = asyncio.get_running_loop()
        own = peer_greeting.greeting_of(self._cluster, self._facts, called=self._cluster.index)
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                call = await _read_greeting(caller)
            await loop.sock_sendall(caller, own.to_line())
            self._refuse(peer_greeting.find_problem_of_call(self._cluster, own, call, host=host))
            # No time limit from here: the caller may count the call already. It closes first, so
            # that the last state of a closed connection does not stay on this worker's port.
            if await _read_to_end(caller) == _SEEN and call.index in self._peers:
                self._peers[call.index].heard = True
                self._changed.set()
        except (OSError, _CallError):
            pass  # whoever it was may call again
        finally:
            self._callers.discard(caller)
            caller.close()

    def _describe_waiting(self, seconds: float) -> str:
        shown = [f"{peer.name}: {peer.state}" for peer in self._missing[:_MAX_NAMES_IN_REPORT]]
        if len(self._missing) > len(shown):
            shown.append(f"{len(self._missing) - len(shown)} more")
        return f"waiting for other workers since {seconds:.0f} s: {'; '.join(shown)}"

    def _describe_failure(self, time_limit: float) -> str:
        states = [f"  {peer.name}: {peer.state}" for peer in self._peers.values()]
        return "\n".join(
            [
                f"{self._cluster.name} has waited {time_limit:g} s for {len(self._missing)} of "
                f"{len(states)} other workers:",
                *states,
                "Start the same command on every worker within this time (under Slurm, with srun), "
                "correct addresses that are wrong, and let the workers' ports through firewalls.",
            ]
        )


async def _read_greeting(connection: socket.socket) -> Greeting:
    """Returns the greeting that the other side sends; it sends no more until it has an answer."""
    loop = asyncio.get_running_loop()
    line = b""
    while not line.endswith(b"\n"):
        chunk = await loop.sock_recv(connection, peer_greeting.MAX_LINE_BYTES)
        if not chunk:
            raise _CallError("it closed the connection without an answer")
        line += chunk
        if len(line) > peer_greeting.MAX_LINE_BYTES:
            break
    greeting = peer_greeting.parse(line)
    if not greeting:
        raise _CallError("something else answers on its port")
    return greeting


async def _read_to_end(connection: socket.socket) -> bytes:
    """Returns what comes until the other side closes, or too much of it."""
    loop = asyncio.get_running_loop()
    content = b""
    while len(content) <= len(_SEEN) and (chunk := await loop.sock_recv(connection, 64)):
        content += chunk
    return content


def _trouble(error: OSError | _CallError) -> str:
    if isinstance(error, socket.gaierror):
        return _NO_NAME
    if isinstance(error, TimeoutError):
        return _NO_ANSWER
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return (getattr(error, "strerror", None) or str(error)).lower()
