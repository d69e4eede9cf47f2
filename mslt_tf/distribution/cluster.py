"""Which workers train together, and which of them this process is."""

import dataclasses
import ipaddress
import json
import re

from mslt_tf.errors import UserError

_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|(?P<host>[A-Za-z0-9._-]+))"
    r":(?P<port>[0-9]{1,5})"
)
_MAX_SHOWN = 200  # characters of a wrong value in a message


@dataclasses.dataclass(frozen=True)
class Cluster:
    """All workers of a run, in order, and which of them this process is.

    Raises:
        UserError: no worker, an address that is none, one address twice, or an index that no
            worker has.
    """

    workers: tuple[str, ...]  # "host:port"; entry 0 is the chief
    index: int  # ours

    def __post_init__(self) -> None:
        if not self.workers:
            raise UserError("the list of workers is empty. Give at least one as host:port.")
        seen: dict[str, int] = {}
        for index, address in enumerate(self.workers):
            split_address(address)
            first = seen.setdefault(address.lower(), index)
            if first != index:
                raise UserError(
                    f"workers {first} and {index} have the same address {address}. Give every "
                    "worker its own; two on one host need different ports."
                )
        if not 0 <= self.index < self.num_workers:
            raise UserError(
                f"this worker has index {self.index}, but there are {self.num_workers} workers. "
                f"The index must be 0 to {self.num_workers - 1}."
            )

    @property
    def num_workers(self) -> int:
        """How many workers there are, with this one."""
        return len(self.workers)

    @property
    def is_chief(self) -> bool:
        """Whether this worker does what only one may do, such as writing checkpoints."""
        return self.index == 0

    @property
    def address(self) -> str:
        """This worker's own "host:port"."""
        return self.workers[self.index]

    @property
    def name(self) -> str:
        """What messages call this worker."""
        return self.name_of(self.index)

    def name_of(self, index: int) -> str:
        """Returns what messages call worker `index`.

        >>> Cluster(("host-a:2222", "host-b:2222"), 0).name_of(1)
        'worker 1 (host-b:2222)'
        """
        return f"worker {index} ({self.workers[index]})"

    def tf_config(self) -> str:
        """Returns the TF_CONFIG that says the same, with all workers, the chief too, as "worker".

        >>> Cluster(("host-a:2222", "host-b:2222"), 1).tf_config()
        '{"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, "task": {"type": "worker", \
"index": 1}}'
        """
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.workers)}, "task": task})


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of "host:port"; an IPv6 host without its brackets.

    >>> split_address("[::1]:2222")
    ('::1', 2222)

    Raises:
        UserError: the address is not of this form, or its port is not 1 to 65535.
    """
    match = _ADDRESS.fullmatch(address)
    ipv6 = match and match["ipv6"]
    if not match or (ipv6 and not _is_ipv6(ipv6)):
        raise UserError(
            f"{shown(address)} is not the address of a worker. Write host:port, such as "
            "host-a:2222, 10.0.0.1:2222 or [fd00::1]:2222."
        )
    port = int(match["port"])
    if not 1 <= port <= 65535:
        raise UserError(f"the port of worker {address} is {port}. It must be 1 to 65535.")
    return ipv6 or match["host"], port


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def shown(value: object) -> str:
    """Returns a value as messages show it, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."
