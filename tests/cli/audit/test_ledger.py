"""`dockline audit` shows a running agent's ledger, and its exit status says whether it balances."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest

from pipeline.accounting.audit import AuditReport, ContainerPart, RoutePart, SinkPart
from pipeline.cli import main
from tests.servers.ports import free_port

FULL = SinkPart(
    "logstash",
    routed=80,
    letters=2,
    carried=1_234,
    known=4,
    delivered=1_290,
    dropped={"drop_newest": 5, "refused": 1},
    dead_lettered=6,
    buffered=10,
)


def report(
    *sinks: SinkPart, balanced: bool = True, filtered: int = 20, read: int = 100
) -> AuditReport:
    route = RoutePart("shop", "logs", read, list(sinks), {"keep": filtered})
    return AuditReport(
        balanced, [ContainerPart("1", "api-1", {"logs": read}, [route])], {"logstash": 7}
    )


@contextmanager
def agent(body: bytes, status: int = 200) -> Iterator[str]:
    """Answers everything so; a double, since an agent that does not balance cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if self.path == "/audit" else b"")

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def run(one: AuditReport, *options: str) -> int:
    with agent(msgspec.json.encode(one)) as address:
        return main(["audit", "--url", f"http://{address}", *options])


def test_an_equation_for_each_container_route_and_sink(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(report(FULL, SinkPart("file", routed=80, delivered=80))) == 0
    first, second, carried, verdict = capsys.readouterr().out.splitlines()
    assert first == (
        "api-1, shop -> logstash: 100 read + 2 dead letters + 1,234 from the spool = "
        "20 filtered by keep + 1,290 delivered + 4 known from before + 5 dropped (drop_newest) + "
        "1 dropped (refused) + 6 dead-lettered + 10 buffered"
    )
    assert second == "api-1, shop -> file: 100 read = 20 filtered by keep + 80 delivered"
    assert carried == "sink logstash: 7 entries of an earlier run are on disk"
    assert verdict == "balanced: 1 container, every entry is accounted for"


def test_the_figures_of_an_equation_are_those_of_both_sides() -> None:
    came = 100 + FULL.letters + FULL.carried
    went = FULL.delivered + FULL.known + 6 + FULL.dead_lettered + FULL.buffered
    assert came == 20 + went


def test_what_nobody_can_account_for_is_said_and_is_the_exit_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sink = SinkPart("file", routed=80, delivered=77, unaccounted=3)
    assert run(report(sink, balanced=False)) == 1
    line, _, verdict = capsys.readouterr().out.splitlines()
    assert line.endswith("= 20 filtered by keep + 77 delivered + 3 UNACCOUNTED")
    assert verdict.startswith("NOT BALANCED")


def test_a_container_that_no_route_takes_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    one = AuditReport(True, [ContainerPart("1", "web", {"logs": 5}, [])], {})
    assert run(one) == 0
    assert "web: 5 entries read, and no route takes them" in capsys.readouterr().out


def test_a_sink_that_has_only_dead_letters_is_not_charged_with_what_was_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(report(SinkPart("rejected", letters=6, delivered=6)))
    assert "rejected: 6 dead letters = 6 delivered\n" in capsys.readouterr().out


def test_json_is_what_the_agent_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(report(FULL), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["containers"][0]["routes"][0]["sinks"][0]["dropped"]["drop_newest"] == 5


def test_the_address_is_that_of_the_configuration(write: Callable[[str], str]) -> None:
    with agent(msgspec.json.encode(report(FULL))) as address:
        port = address.rpartition(":")[2]
        config = write(f'[http]\nlisten = "0.0.0.0:{port}"')
        assert main(["audit", "-c", config]) == 0


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [(b"{}", 200, "not the answer of dockline"), (b"", 404, "answers 404 to /audit")],
)
def test_what_is_no_dockline_is_said_in_a_sentence(
    body: bytes, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with agent(body, status) as address:
        assert main(["audit", "--url", f"http://{address}"]) == 1
    assert said in capsys.readouterr().err


def test_that_no_agent_answers_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    assert main(["audit", "--url", f"http://{address}"]) == 1
    said = capsys.readouterr().err
    assert f"no agent answers at http://{address} (Connection refused); is it running" in said


def test_an_agent_without_an_endpoint_cannot_be_asked(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "-c", write('[http]\nlisten = "off"')]) == 1
    assert 'http.listen is "off"' in capsys.readouterr().err


def test_what_a_stage_makes_is_on_the_side_of_what_came(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = SinkPart("out", routed=130, delivered=130)
    first = RoutePart(
        "all", "logs", 100, [out], {"drop": 20}, handed={"e": 130}, made={"split": 50}
    )
    containers = [ContainerPart("1", "api-1", {"logs": 100}, [first])]
    assert run(AuditReport(balanced=True, containers=containers, carried={})) == 0
    made = "api-1, all -> {}: 100 read + 50 made by split = 20 filtered by drop + 130 {}"
    assert capsys.readouterr().out.splitlines()[:2] == [
        made.format("route e", "handed on"),
        made.format("out", "delivered"),
    ]


def test_what_is_held_back_and_what_goes_on_to_other_routes_is_in_the_equations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = SinkPart("out", routed=60, delivered=60)
    first = RoutePart(
        "all", "logs", 100, [], {"join": 30}, fed=False, handed={"errors": 67}, held=3
    )
    second = RoutePart("errors", "logs", 67, [out], {"keep": 7}, fed=True)
    containers = [ContainerPart("1", "api-1", {"logs": 100}, [first, second])]
    assert run(AuditReport(balanced=True, containers=containers, carried={})) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "api-1, all -> route errors: 100 read = 30 filtered by join + 3 held back + 67 handed on",
        "api-1, errors -> out: 67 from other routes = 7 filtered by keep + 60 delivered",
    ]
