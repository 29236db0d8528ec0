"""The demo's store keeps what it is sent, goes away, and comes back at the same address."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, RemoteDisconnected

import pytest

from demo.store import Store

pytestmark = pytest.mark.server


def line(sequence: int) -> bytes:
    return json.dumps({"container": {"id": "a"}, "event": {"sequence": sequence}}).encode() + b"\n"


@contextmanager
def connected(store: Store) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", store.port, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def post(connection: HTTPConnection, body: bytes, **headers: str) -> int:
    connection.request("POST", "/", body, headers)
    with connection.getresponse() as response:
        return response.status


def test_it_counts_each_entry_once_and_what_was_sent_again() -> None:
    with Store(0) as store, connected(store) as connection:
        assert post(connection, line(1) + line(2)) == 204
        packed = zlib.compress(line(2), wbits=31)
        assert post(connection, packed, **{"Content-Encoding": "gzip"}) == 204
        assert (store.entries, store.repeated) == (2, 1)


def test_what_it_keeps_is_answered_before_it_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(0) as store, connected(store) as connection:
        take = store.take
        leaving = threading.Thread(target=store.go_away)

        def slow(body: bytes) -> None:
            leaving.start()
            leaving.join(0.5)
            take(body)

        monkeypatch.setattr(store, "take", slow)
        assert post(connection, line(1)) == 204
        leaving.join()
        assert store.entries == 1


def test_while_it_is_away_connections_break_and_new_ones_are_refused() -> None:
    with Store(0) as store:
        with connected(store) as kept:
            assert post(kept, line(1)) == 204
            store.go_away()
            with pytest.raises((RemoteDisconnected, ConnectionError)):
                post(kept, line(2))
        with connected(store) as new, pytest.raises(ConnectionRefusedError):
            post(new, line(2))
        store.come_back()
        with connected(store) as again:
            assert post(again, line(2)) == 204
        assert (store.entries, store.repeated) == (2, 0)
