"""What may stand where PostgreSQL is looked for: a server that has no TLS, and a pooler in transaction mode."""

import os
import socket
import socketserver
import struct
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
PARAMETERS = {
    "server_version": "18.4",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "in_hot_standby": "off",
    "default_transaction_read_only": "off",
    "standard_conforming_strings": "on",
}


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def listening(handler: Any) -> Generator[int]:
    """Serve connections for the length of a block; give the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            handler(self.request)

    with _Listener(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield listener.server_address[1]
        listener.shutdown()


@contextmanager
def server_without_tls(heard: list[bytes]) -> Generator[int]:
    """Say no to TLS, and write down whatever comes; give the port."""

    def handle(client: socket.socket) -> None:
        while received := client.recv(65_536):
            heard.append(received)
            if received == SSL_REQUEST:
                client.sendall(b"N")

    with listening(handle) as port:
        yield port


@contextmanager
def old_server(version: str, encoding: str = "UTF8") -> Generator[int]:
    """Greet as a server of this version with a database of this encoding does, and do nothing else; give the port."""

    def handle(client: socket.socket) -> None:
        _greet(client, {**PARAMETERS, "server_version": version, "server_encoding": encoding})
        _request(client)

    with listening(handle) as port:
        yield port


@contextmanager
def pooler(url: str, *, whole_sessions: bool) -> Generator[str]:
    """Stand between clients and the server as PgBouncer does, in session or in transaction mode; give the URL.

    In transaction mode the next transaction gets the server process that was last given back.
    """
    free: list[psycopg.Connection] = []
    lock = threading.Lock()

    def take() -> psycopg.Connection:
        with lock:
            return free.pop() if free else psycopg.connect(url, autocommit=True)

    def handle(client: socket.socket) -> None:
        _greet(client)
        kept: psycopg.Connection | None = None
        while request := _request(client):
            kept = kept or take()
            with socket.socket(fileno=os.dup(kept.fileno())) as server:
                server.settimeout(10)
                server.sendall(request)
                ready = _answer(server, client)
            if ready == b"I" and not whole_sessions:
                with lock:
                    free.append(kept)
                kept = None

    with listening(handle) as port:
        yield make_conninfo(url, host="127.0.0.1", port=port)
    for connection in free:
        connection.close()


def _greet(client: socket.socket, parameters: Mapping[str, str] = PARAMETERS) -> None:
    while (code := _exactly(client, struct.unpack("!i", _exactly(client, 4))[0] - 4)) == SSL_REQUEST[4:]:
        client.sendall(b"N")
    assert code
    reported = b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in parameters.items())
    key = _message(b"K", os.urandom(8))
    client.sendall(_message(b"R", struct.pack("!i", 0)) + reported + key + _message(b"Z", b"I"))


def _request(client: socket.socket) -> bytes:
    """Return the messages up to one that asks for an answer; nothing when the client leaves."""
    collected = b""
    while kind := client.recv(1):
        if kind == b"X":
            break
        collected += kind + _body(client)
        if kind in b"QS":
            return collected
    return b""


def _answer(server: socket.socket, client: socket.socket) -> bytes:
    while True:
        kind = _exactly(server, 1)
        body = _body(server)
        client.sendall(kind + body)
        if kind == b"Z":
            return body[4:]


def _body(stream: socket.socket) -> bytes:
    length = _exactly(stream, 4)
    return length + _exactly(stream, struct.unpack("!i", length)[0] - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _exactly(stream: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        more = stream.recv(size - len(received))
        assert more, "the other side is gone"
        received += more
    return received
