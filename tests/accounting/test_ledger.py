"""Every entry is on one side of an account and on the other, or the difference shows."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounting.ledger import Ledger, SinkAccount, add


def test_an_account_balances_when_what_came_is_somewhere() -> None:
    account = Ledger().container("1", "api").route("logs", "r").sink("out")
    account.routed, account.letters, account.carried = 10, 2, 3
    account.known, account.delivered, account.dead_lettered, account.dropped["refused"] = 1, 5, 2, 3
    assert (account.came, account.went, account.open) == (15, 11, 4)
    assert account.unaccounted(4) == 0
    assert account.unaccounted(3) == 1
    assert account.unaccounted(6) == -2


def test_what_waits_for_room_is_accounted_for() -> None:
    account = Ledger().container("1", "api").route("logs", "r").sink("out")
    account.routed, account.waiting = 5, 2
    assert account.unaccounted(3) == 0


def test_a_route_owes_what_was_read_and_neither_filtered_nor_given_to_each_of_its_sinks() -> None:
    container_account = Ledger().container("1", "api")
    route_account = container_account.route("logs", "r")
    route_account.bind(("one", "two"))
    container_account.read["logs"] = route_account.taken = 10
    route_account.filtered["keep"] = 4
    route_account.sink("one").routed = route_account.sink("two").routed = 6
    assert route_account.unaccounted == 0
    route_account.sink("two").routed = 5
    assert route_account.unaccounted == 1
    add(container_account.read, "logs", 3)
    route_account.sink("two").routed = 6
    assert route_account.unaccounted == 3


def test_what_a_stage_makes_came_as_well_as_what_was_read() -> None:
    ledger = Ledger()
    container_account = ledger.container("1", "api")
    route_account = container_account.route("logs", "r")
    route_account.bind(("one",))
    container_account.read["logs"] = route_account.taken = 10
    route_account.made["split"], route_account.filtered["drop"] = 7, 2
    account = route_account.sink("one")
    account.routed = account.delivered = 15
    assert (route_account.passed, route_account.unaccounted) == (15, 0)
    route_account.bind(("one", "two"))
    assert (route_account.unaccounted, route_account.sink("two").missed) == (0, 15)
    ledger.forget("1")
    (container_account,) = ledger
    assert [(one.unaccounted, one.made) for one in container_account.routes.values()] == [
        (0, {"split": 7})
    ]


def test_dead_letters_go_on_an_account_that_the_route_owes_nothing_to() -> None:
    container_account = Ledger().container("1", "api")
    route_account = container_account.route("logs", "r")
    route_account.bind(("out",))
    container_account.read["logs"] = route_account.taken = route_account.sink("out").routed = 2
    letters = route_account.sink("out").beside("rejected")
    letters.letters += 2
    assert letters is route_account.sink("rejected")
    assert route_account.unaccounted == 0
    assert letters.open == 2


def test_a_removed_containers_figures_are_kept_with_those_of_all_that_are() -> None:
    ledger = Ledger()
    for number in range(3):
        container_account = ledger.container(str(number), f"job-{number}")
        route_account = container_account.route("logs", "r")
        route_account.bind(("out",))
        add(container_account.read, "logs", 5)
        route_account.taken, route_account.filtered["keep"] = 5, 1
        account = route_account.sink("out")
        account.routed = account.delivered = 4
        ledger.forget(str(number))
    (container_account,) = ledger
    (account,) = container_account.accounts
    assert (container_account.name, container_account.read, account.routed, account.delivered) == (
        "(removed)",
        {"logs": 15},
        12,
        12,
    )
    assert [route_account.unaccounted for route_account in container_account.routes.values()] == [0]


def test_a_removed_container_keeps_its_page_until_nothing_of_it_is_buffered() -> None:
    ledger = Ledger()
    account = ledger.container("1", "job").route("logs", "r").sink("out")
    account.routed = 3
    ledger.forget("1")
    assert [container_account.name for container_account in ledger] == ["job"]
    account.delivered = 3
    ledger.container("2", "other")
    ledger.forget("2")
    assert [container_account.name for container_account in ledger] == ["(removed)"]


def test_containers_beyond_the_bound_share_a_page() -> None:
    ledger = Ledger(most=2)
    containers = [ledger.container(str(number), f"web-{number}") for number in range(5)]
    assert containers[2] is containers[3] is containers[4]
    assert len(ledger.containers) == 2
    route_account = containers[2].route("logs", "r")
    route_account.bind(("out",))  # some of the containers on this page are taken by no route
    containers[2].read["logs"] = 10
    route_account.taken = route_account.sink("out").routed = 4
    assert route_account.unaccounted == 0


MOVES = ("deliver", "drop", "bury", "know", "lose", "double")


@given(st.lists(st.tuples(st.sampled_from(MOVES), st.integers(1, 50)), max_size=30))
def test_whatever_happens_the_difference_is_what_was_lost_less_what_was_doubled(
    moves: list[tuple[str, int]],
) -> None:
    ledger = Ledger()
    account = ledger.container("1", "api").route("logs", "r").sink("out")
    letters = account.beside("rejected")
    buffered: Counter[SinkAccount] = Counter()
    wrong = 0
    for move, count in moves:
        account.routed += count
        if move == "deliver":
            account.delivered += count
        elif move == "drop":
            account.drop(count, "drop_newest")
        elif move == "bury":
            account.dead_lettered += count
            letters.letters += count
            buffered[letters] += count
        elif move == "know":
            account.known += count
        elif move == "lose":
            wrong += count
        else:
            buffered[account] += 2 * count
            wrong -= count
    differences = {one: one.unaccounted(buffered[one]) for one in ledger.accounts()}
    assert differences == {account: wrong, letters: 0}


def test_the_page_of_a_container_that_only_a_disk_knows_is_closed_when_nothing_of_it_is_left() -> (
    None
):
    ledger = Ledger()
    for number in range(5):
        container_account = ledger.spooled(str(number), f"job-{number}")
        account = container_account.route("logs", "r").sink("out")
        account.carried += 1
        if number:
            account.delivered += 1
    ledger.fold()
    assert list(ledger.containers) == ["0"]


def test_the_page_of_a_container_that_is_read_stays_whatever_comes_from_a_disk() -> None:
    ledger = Ledger()
    ledger.container("1", "web").followed = True
    ledger.spooled("1", "web")
    ledger.fold()
    assert list(ledger.containers) == ["1"]


def test_what_is_handed_on_to_a_route_is_owed_by_the_one_and_come_to_the_other() -> None:
    ledger = Ledger()
    container_account = ledger.container("1", "api")
    all_, errors = container_account.route("logs", "all"), container_account.route("logs", "errors")
    all_.bind(())
    errors.bind(("out",))
    all_.bind_feeds([errors])
    add(container_account.read, "logs", 5)
    all_.taken += 5
    add(all_.filtered, "keep", 1)
    assert (all_.unaccounted, errors.came) == (4, 0)
    all_.hand_on(4, {"errors"})
    assert (all_.unaccounted, errors.came, errors.unaccounted) == (0, 4, 4)
    errors.held, errors.sink("out").routed = 1, 3
    assert errors.unaccounted == 0
    assert container_account.open
    errors.held, errors.sink("out").routed, errors.sink("out").delivered = 0, 4, 4
    ledger.forget("1")
    (removed,) = ledger
    assert [route_account.came for route_account in removed.routes.values()] == [5, 4]
    assert removed.route("logs", "all").feeds["errors"].handed == 4
    assert [route_account.unaccounted for route_account in removed.routes.values()] == [
        0,
        0,
    ]


def test_a_sink_that_a_route_leads_to_later_owes_nothing_of_before_nor_of_when_it_was_left() -> (
    None
):
    container_account = Ledger().container("1", "web")
    route_account = container_account.route("logs", "r")

    def read(entries: int, *sinks: str) -> None:
        add(container_account.read, "logs", entries)
        route_account.taken += entries
        for sink in sinks:
            route_account.sink(sink).routed += entries

    for entries, sinks in ((5, ("a",)), (7, ("a", "b")), (2, ("a",)), (3, ("b", "a"))):
        container_account.unbind()
        route_account.bind(sinks)
        read(entries, *sinks)
        assert route_account.unaccounted == 0
    assert route_account.accounts["b"].missed == 7
    read(1, "a")
    assert route_account.unaccounted == 1


def test_a_route_that_others_lead_to_by_now_and_later_no_more_goes_on_with_its_account() -> None:
    container_account = Ledger().container("1", "web")
    route_account = container_account.route("logs", "r")
    route_account.bind(("a",))
    add(container_account.read, "logs", 5)
    route_account.taken += 5
    route_account.sink("a").routed += 5
    container_account.unbind()
    route_account.bind(("a",), fed=True)
    assert (route_account.came, route_account.unaccounted) == (5, 0)
    add(container_account.read, "logs", 4)
    container_account.unbind()
    route_account.bind(("a",))
    assert (route_account.came, route_account.unaccounted) == (5, 0)


def test_of_removed_containers_a_sink_owes_only_what_came_while_there_was_one() -> None:
    ledger = Ledger()
    for number, sinks in enumerate([("a",), ("a", "b")]):
        container_account = ledger.container(str(number), "job")
        route_account = container_account.route("logs", "r")
        route_account.bind(sinks)
        add(container_account.read, "logs", 5)
        route_account.taken += 5
        for sink in sinks:
            account = route_account.sink(sink)
            account.routed = account.delivered = 5
        ledger.forget(str(number))
    (container_account,) = ledger
    assert [route_account.unaccounted for route_account in container_account.routes.values()] == [0]


def test_what_a_removed_sink_has_left_on_its_disk_is_accounted() -> None:
    account = Ledger().container("1", "web").route("logs", "r").sink("a")
    account.routed, account.delivered, account.left = 10, 4, 6
    assert account.open == 0


def test_a_container_that_is_removed_costs_the_same_however_many_wait_for_a_sink() -> None:
    ledger, looks = Ledger(), list[str]()

    class Gone(dict[str, None]):
        def __delitem__(self, key: str) -> None:
            looks.append(key)
            super().__delitem__(key)

    ledger._gone = Gone()
    for number in range(1000):
        ledger.container(str(number), "job").route("logs", "r").sink("out").routed += 1
        ledger.forget(str(number))
    assert len(looks) <= 4 * 1000
    assert len(ledger.containers) == 1000
