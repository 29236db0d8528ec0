"""Names of processes in the leases of a stream."""

from __future__ import annotations

import pytest

from pipeline.transport.nats.owners import host_of, owner_of


@pytest.mark.parametrize("host", ["web-1", "web-1.example.com", "3f2a", "a" * 64, "-"])
def test_an_owner_tells_its_host(host: str) -> None:
    assert host_of(owner_of(host)) == host


def test_no_two_processes_of_a_host_have_the_same() -> None:
    assert owner_of("web-1") != owner_of("web-1")


@pytest.mark.parametrize("host", ["a b", "*", ">", "a\r\nPUB x 0", "ü", "\ud800", "x" * 5000, ""])
def test_an_owner_is_one_token_of_a_subject_whatever_the_host_is_called(host: str) -> None:
    owner = owner_of(host)
    assert owner.isascii() and owner.isprintable() and len(owner) <= 81
    assert not set(owner) & set(" .*>")


@pytest.mark.parametrize(
    "owner",
    ["", "0123456789abcdef", "<script>-0123456789abcdef", "web-1", "a" * 65 + "-" + "0" * 16],
)
def test_what_others_write_there_is_no_name_unless_it_looks_like_one(owner: str) -> None:
    assert host_of(owner) == ""
