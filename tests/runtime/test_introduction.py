"""What the agent says when it begins and when it ends."""

from __future__ import annotations

from pipeline.config.file import parse
from pipeline.runtime.introduction import MOST, beginning, ending
from pipeline.topology.output import SinkNow

CONFIG = """
[sinks.store]
type = "http"
url = "https://${HOST}/in"
auth = { user = "me", password = "s3cr3t" }
buffer = { disk = "1GiB", when_full = "drop_oldest" }
[sinks.out]
type = "console"
[routes.shop]
from = ["logs", "events"]
containers = 'project == "shop"'
stages = [{ join = "python" }, { parse = "auto" }]
to = ["store", "out", "route:errors"]
[routes.errors]
to = ["out"]
"""


def said(text: str) -> list[str]:
    file = parse(text, {"HOST": "store.internal"})
    return list(beginning(file.config, file.starred))


def test_it_tells_what_it_follows_and_where_it_sends_and_no_secret() -> None:
    assert said(CONFIG) == [
        'route shop: logs and events of containers where project == "shop" through join, parse '
        "to store, out and route:errors",
        "route errors: what comes from route:shop of all containers to out",
        "sink store: http, https://${HOST}/in, buffer 16MiB of memory and 1GiB of disk, "
        "old entries are dropped when it is full",
        "sink out: console, standard output, buffer 16MiB of memory, reading waits when it is full",
    ]


def test_of_many_routes_and_long_expressions_it_tells_the_beginning() -> None:
    route = '[routes.r{}]\ncontainers = \'name == "{}"\'\nto = ["console"]\n'
    text = '[sinks.console]\ntype = "console"\n'
    text += "".join(route.format(number, "x" * 500) for number in range(MOST + 5))
    *routes, more, sink = said(text)
    assert len(routes) == MOST
    assert len(max(routes, key=len)) < 200
    assert more == "and 5 more routes"
    assert sink.startswith("sink console: console, ")


def test_at_the_end_it_tells_what_each_sink_delivered_and_what_it_did_not() -> None:
    sinks = [
        SinkNow("out", "console", delivered=1234),
        SinkNow("log", "file", delivered=1, dropped={"refused": 0}),
        SinkNow(
            "store", "http", dropped={"refused": 2, "drop_newest": 1}, dead_lettered=4, entries=5
        ),
    ]
    sinks.append(SinkNow("gone", "http", dropped={"stopped": 3}, entries=3))
    sinks.append(SinkNow("part", "http", dropped={"stopped": 3}, entries=5))
    assert list(ending(sinks)) == [
        "sink out: 1,234 entries delivered",
        "sink log: 1 entry delivered",
        "sink store: 0 entries delivered, 3 dropped (drop_newest, refused), "
        "4 given to its dead-letter sink, 5 not delivered yet",
        "sink gone: 0 entries delivered, 3 dropped (stopped)",
        "sink part: 0 entries delivered, 3 dropped (stopped), 2 not delivered yet",
    ]
