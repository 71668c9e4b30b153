"""Answering ``GET /metrics``, from a thread of its own that can hold up nothing but itself.

One client at a time, each for a bounded time: whoever connects costs one descriptor,
never more than one thread's share of the processor, and no stop waits for him. What
the library starts by itself is one thread a client without any limit.
"""

import errno
import fcntl
import io
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from socketserver import TCPServer
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, MetricsHandler

from emosieve.errors import SetupError
from emosieve.text import Phrase

_PATIENCE_SECONDS: Final = 2.0
"""For a whole request to come, and again for each write of the answer to be taken."""
_HEAD_BYTES: Final = 8192
_WAKE_SECONDS: Final = 1.0
"""How late a stop is noticed where a closed socket wakes nobody; on Linux it does at once."""
_CANNOT_LISTEN = Phrase(
    "metrics.listen = {listen}: {cause}; write an address of this machine and a free port (ss -ltn)",
    "metrics.listen = {listen}：{cause}；请写本机的地址和未被占用的端口（ss -ltn）",
)
_BARRED = Phrase(
    "metrics.listen = {listen}: {cause}; the sandbox of the service forbids it: install "
    "deploy/systemd/metrics.conf into /etc/systemd/system/emosieve.service.d/ "
    "(of an instance: emosieve@.service.d/), then systemctl daemon-reload && systemctl restart emosieve",
    "metrics.listen = {listen}：{cause}；服务的沙箱不允许：请把 deploy/systemd/metrics.conf 安装到 "
    "/etc/systemd/system/emosieve.service.d/（模板实例用 emosieve@.service.d/），"
    "再执行 systemctl daemon-reload && systemctl restart emosieve",
)
_ALONE: Final = "this process has a network of its own, with no interface but the loopback"
_LET_IN: Final = (
    "a Prometheus outside cannot reach it; as a service, install deploy/systemd/metrics.conf "
    "(PrivateNetwork=no); in a container, take network_mode: none out"
)
_SIOCGIFFLAGS: Final = 0x8913
_IFF_UP: Final = 0x1
_IFF_LOOPBACK: Final = 0x8
_FORBIDDEN: Final = frozenset({errno.EAFNOSUPPORT, errno.EPERM})
"""What RestrictAddressFamilies= and SystemCallFilter= make of a socket; EACCES is a port below 1024."""

log = structlog.get_logger()


class Exporter:
    """Serves a registry until it is closed.

    Args:
        listen: as the operator wrote it.
        address: host and port.
        registry: what is served.

    Raises:
        SetupError: the address is taken, or is none of this machine.
    """

    def __init__(self, listen: str, address: tuple[str, int], registry: CollectorRegistry) -> None:
        try:
            self._server = _Server(address, registry)
        except OSError as error:
            is_barred = error.errno in _FORBIDDEN or (error.errno == errno.EADDRNOTAVAIL and _is_alone())
            words = _BARRED if is_barred else _CANNOT_LISTEN
            raise SetupError(words(listen=listen, cause=error.strerror or str(error))) from None
        if _is_alone():
            log.warning("check.warning", subject="metrics.listen", message=f"{_ALONE}; {_LET_IN}")
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_WAKE_SECONDS,), name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Hang up, in the middle of an answer if need be."""
        self._server.hang_up()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _is_alone() -> bool:
    """Whether nothing outside of this network namespace can connect, as under PrivateNetwork=."""
    # Off Linux, and where a sandbox forbids sockets, this is not known. The names come from /proc, since
    # the C library would ask by netlink, which a unit need not allow.
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        with open("/proc/self/net/dev", encoding="utf-8") as table:
            names = [line.partition(":")[0].strip() for line in table if ":" in line]
        for name in names:
            answer = fcntl.ioctl(asking, _SIOCGIFFLAGS, struct.pack("256s", name.encode()))
            (flags,) = struct.unpack_from("=H", answer, 16)
            if flags & _IFF_UP and not flags & _IFF_LOOPBACK:
                return False
        return True
    return False


class _Server(TCPServer):
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry) -> None:
        host, port = address
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, *_, where = found[0]
        self._client: socket.socket | None = None
        self._is_over = self._told = False
        super().__init__(where, _Handler.factory(registry))  # type: ignore[arg-type]

    def hang_up(self) -> None:
        self._is_over = True
        for one in (self.socket, self._client):
            with suppress(OSError):  # no client, one that went, or one that came to its end just now
                if one is not None:
                    one.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._client = request
        if self._is_over:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went or was too slow is no news; a fault of our own is, once: he may ask for ever."""
        del request, client_address
        error = sys.exception()
        if not isinstance(error, OSError) and not self._told:
            self._told = True
            log.error("internal.error", thread="metrics", cause=f"{type(error).__name__}: {error}")


class _Handler(MetricsHandler):
    server_version, sys_version = "emosieve", ""

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BytesIO(_head_of(self.connection))

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        if self.path.partition("?")[0] == "/metrics":
            super().do_GET()
        else:
            self.send_error(404, explain="metrics are at /metrics")


def _head_of(connection: socket.socket) -> bytes:
    """A request up to its blank line, or to what the client has of it.

    Raises:
        OSError: it did not come in time; a timeout for each read would let somebody send a byte a second for ever.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
        rest = until - time.monotonic()
        if rest <= 0:
            raise TimeoutError
        connection.settimeout(rest)
        piece = connection.recv(_HEAD_BYTES - len(head))
        if not piece:
            break
        head += piece
    connection.settimeout(_PATIENCE_SECONDS)
    return head
