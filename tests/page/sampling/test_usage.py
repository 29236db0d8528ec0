"""The newest figures of a container's stats."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.model.samples import Samples
from pipeline.page.sampling.usage import SELDOM, Usage, Usages
from pipeline.testing.builders import container


def samples(time: float, received: int = 0, number: int = 1, **stats: Any) -> Samples:
    cpu = {"cpu_usage": {"total_usage": int(time * 1e9)}, "online_cpus": 2}
    found: dict[str, Any] = {
        "cpu_stats": {**cpu, "system_cpu_usage": int(time * 4e9)},
        "precpu_stats": {
            "cpu_usage": {"total_usage": int((time - 1) * 1e9)},
            "system_cpu_usage": int((time - 1) * 4e9),
        },
        "memory_stats": {"usage": 5000, "stats": {"total_inactive_file": 1000}},
        "networks": {"eth0": {"rx_bytes": received}, "eth1": {"rx_bytes": received}},
        **stats,
    }
    return Samples(container(f"c{number}", number=number), time, found)


def test_rates_are_made_of_two_readings() -> None:
    usage = Usage()
    usage.take(samples(10.0, 1000))
    assert (usage.receive, usage.transmit, usage.memory) == (None, None, 4000)
    usage.take(samples(12.0, 2000))
    assert usage.receive == pytest.approx(1000)
    assert usage.cpu == pytest.approx(0.5)


def test_a_counter_that_went_back_gives_no_rate() -> None:
    usage = Usage()
    usage.take(samples(10.0, 5000))
    usage.take(samples(12.0, 10))
    assert usage.receive is None


@pytest.mark.parametrize(
    "odd",
    [
        {"memory_stats": None}, {"networks": []}, {"networks": {"eth0": 5}}, {"cpu_stats": "x"},
        {"blkio_stats": {"io_service_bytes_recursive": [None, 3]}},
    ],
)  # fmt: skip
def test_whatever_the_engine_sends_is_no_error(odd: dict[str, Any]) -> None:
    usage = Usage()
    usage.take(samples(10.0, **odd))
    usage.take(samples(12.0, **odd))


def test_a_difference_that_is_not_shown_is_no_change() -> None:
    usage = Usage()
    usage.take(samples(10.0, 1000))
    usage.take(samples(12.0, 2000))
    version = usage.version
    usage.take(samples(14.0, 3010))
    assert usage.version == version
    usage.take(samples(16.0, 9000))
    assert usage.version > version


def test_while_nobody_looks_only_as_many_as_the_rings_need_are_worked_through() -> None:
    clock = [0.0]
    usages = Usages(lambda: clock[0])

    def note() -> bool:
        """Whether a reading that comes now is worked through."""
        usages.note(samples(clock[0] + 1000))
        usage = usages.get(container(number=1).id)
        assert usage is not None
        return usage.time == clock[0] + 1000

    taken = 0
    for second in range(0, 200, 2):
        clock[0] = float(second)
        taken += note()
    assert taken == 200 // SELDOM + 1
    clock[0] += 0.5
    assert not note()
    usages.watched = True
    assert note()


def test_a_container_that_is_gone_has_no_figures() -> None:
    usages = Usages(lambda: 0.0)
    usages.note(samples(1.0))
    usages.forget(container("c1", number=1).id)
    assert usages.get(container("c1", number=1).id) is None
