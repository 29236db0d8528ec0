"""Overviews of an agent, made up."""

from __future__ import annotations

from pipeline.observe.overview import ContainerNow, Overview, RouteNow, SinkNow


def overview(clock: float, lines: int = 0, *, containers: int = 3, began: float = 1.0) -> Overview:
    return Overview(
        "web-1",
        began,
        clock,
        "",
        [
            ContainerNow(f"{n:012x}", f"shop-{n}", lines * n, lines * n * 10, n, n, float(n))
            for n in range(containers)
        ],
        [RouteNow("all", lines, {"keep": lines // 4})],
        [
            SinkNow("good", "file", "", lines, lines * 100),
            SinkNow("bad", "syslog", "no\x1b[2J route", dropped={"refused": 7}, retried=2),
        ],
    )
