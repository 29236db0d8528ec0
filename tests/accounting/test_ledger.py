"""Every entry is on one side of an account and on the other, or the difference shows."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounting.ledger import Ledger, Line, Tally, add


def test_an_account_balances_when_what_came_is_somewhere() -> None:
    tally = Ledger().page("1", "api").passage("logs", "r").tally("out")
    tally.routed, tally.letters, tally.carried = 10, 2, 3
    tally.known, tally.delivered, tally.dead_lettered, tally.dropped["refused"] = 1, 5, 2, 3
    assert (tally.came, tally.went, tally.open) == (15, 11, 4)
    assert Line(tally, 4).unaccounted == 0
    assert Line(tally, 3).unaccounted == 1
    assert Line(tally, 6).unaccounted == -2


def test_what_waits_for_room_counts_as_buffered() -> None:
    ledger = Ledger()
    tally = ledger.page("1", "api").passage("logs", "r").tally("out")
    tally.routed, tally.waiting = 5, 2
    (line,) = ledger.lines({tally: 3})
    assert (line.buffered, line.unaccounted) == (5, 0)


def test_a_route_owes_what_was_read_and_neither_filtered_nor_given_to_each_of_its_sinks() -> None:
    page = Ledger().page("1", "api")
    passage = page.passage("logs", "r")
    passage.bind(("one", "two"))
    page.read["logs"] = passage.taken = 10
    passage.filtered["keep"] = 4
    passage.tally("one").routed = passage.tally("two").routed = 6
    assert passage.unaccounted == 0
    passage.tally("two").routed = 5
    assert passage.unaccounted == 1
    add(page.read, "logs", 3)
    passage.tally("two").routed = 6
    assert passage.unaccounted == 3


def test_what_a_stage_makes_came_as_well_as_what_was_read() -> None:
    ledger = Ledger()
    page = ledger.page("1", "api")
    passage = page.passage("logs", "r")
    passage.bind(("one",))
    page.read["logs"] = passage.taken = 10
    passage.made["split"], passage.filtered["drop"] = 7, 2
    tally = passage.tally("one")
    tally.routed = tally.delivered = 15
    assert (passage.passed, passage.unaccounted) == (15, 0)
    passage.bind(("one", "two"))
    assert (passage.unaccounted, passage.tally("two").missed) == (0, 15)
    ledger.forget("1")
    (page,) = ledger
    assert [(one.unaccounted, one.made) for one in page.passages.values()] == [(0, {"split": 7})]


def test_dead_letters_go_on_an_account_that_the_route_owes_nothing_to() -> None:
    page = Ledger().page("1", "api")
    passage = page.passage("logs", "r")
    passage.bind(("out",))
    page.read["logs"] = passage.taken = passage.tally("out").routed = 2
    letters = passage.tally("out").beside("rejected")
    letters.letters += 2
    assert letters is passage.tally("rejected")
    assert passage.unaccounted == 0
    assert letters.open == 2


def test_a_removed_containers_figures_are_kept_with_those_of_all_that_are() -> None:
    ledger = Ledger()
    for number in range(3):
        page = ledger.page(str(number), f"job-{number}")
        passage = page.passage("logs", "r")
        passage.bind(("out",))
        add(page.read, "logs", 5)
        passage.taken, passage.filtered["keep"] = 5, 1
        tally = passage.tally("out")
        tally.routed = tally.delivered = 4
        ledger.forget(str(number))
    (page,) = ledger
    (tally,) = page.tallies
    assert (page.name, page.read, tally.routed, tally.delivered) == (
        "(removed)",
        {"logs": 15},
        12,
        12,
    )
    assert [passage.unaccounted for passage in page.passages.values()] == [0]


def test_a_removed_container_keeps_its_page_until_nothing_of_it_is_buffered() -> None:
    ledger = Ledger()
    tally = ledger.page("1", "job").passage("logs", "r").tally("out")
    tally.routed = 3
    ledger.forget("1")
    assert [page.name for page in ledger] == ["job"]
    tally.delivered = 3
    ledger.page("2", "other")
    ledger.forget("2")
    assert [page.name for page in ledger] == ["(removed)"]


def test_containers_beyond_the_bound_share_a_page() -> None:
    ledger = Ledger(most=2)
    pages = [ledger.page(str(number), f"web-{number}") for number in range(5)]
    assert pages[2] is pages[3] is pages[4]
    assert len(ledger.pages) == 2
    passage = pages[2].passage("logs", "r")
    passage.bind(("out",))  # some of the containers on this page are taken by no route
    pages[2].read["logs"] = 10
    passage.taken = passage.tally("out").routed = 4
    assert passage.unaccounted == 0


MOVES = ("deliver", "drop", "bury", "know", "lose", "double")


@given(st.lists(st.tuples(st.sampled_from(MOVES), st.integers(1, 50)), max_size=30))
def test_whatever_happens_the_difference_is_what_was_lost_less_what_was_doubled(
    moves: list[tuple[str, int]],
) -> None:
    ledger = Ledger()
    tally = ledger.page("1", "api").passage("logs", "r").tally("out")
    letters = tally.beside("rejected")
    buffered: Counter[Tally] = Counter()
    wrong = 0
    for move, count in moves:
        tally.routed += count
        if move == "deliver":
            tally.delivered += count
        elif move == "drop":
            tally.drop(count, "drop_newest")
        elif move == "bury":
            tally.dead_lettered += count
            letters.letters += count
            buffered[letters] += count
        elif move == "know":
            tally.known += count
        elif move == "lose":
            wrong += count
        else:
            buffered[tally] += 2 * count
            wrong -= count
    differences = {line.tally: line.unaccounted for line in ledger.lines(buffered)}
    assert differences == {tally: wrong, letters: 0}


def test_the_page_of_a_container_that_only_a_disk_knows_is_closed_when_nothing_of_it_is_left() -> (
    None
):
    ledger = Ledger()
    for number in range(5):
        page = ledger.spooled(str(number), f"job-{number}")
        tally = page.passage("logs", "r").tally("out")
        tally.carried += 1
        if number:
            tally.delivered += 1
    ledger.fold()
    assert list(ledger.pages) == ["0"]


def test_the_page_of_a_container_that_is_read_stays_whatever_comes_from_a_disk() -> None:
    ledger = Ledger()
    ledger.page("1", "web").followed = True
    ledger.spooled("1", "web")
    ledger.fold()
    assert list(ledger.pages) == ["1"]


def test_what_is_handed_on_to_a_route_is_owed_by_the_one_and_come_to_the_other() -> None:
    ledger = Ledger()
    page = ledger.page("1", "api")
    all_, errors = page.passage("logs", "all"), page.passage("logs", "errors")
    all_.bind(())
    errors.bind(("out",))
    all_.bind_feeds([errors])
    add(page.read, "logs", 5)
    all_.taken += 5
    add(all_.filtered, "keep", 1)
    assert (all_.unaccounted, errors.came) == (4, 0)
    all_.hand_on(4, {"errors"})
    assert (all_.unaccounted, errors.came, errors.unaccounted) == (0, 4, 4)
    errors.held, errors.tally("out").routed = 1, 3
    assert errors.unaccounted == 0
    assert page.open
    errors.held, errors.tally("out").routed, errors.tally("out").delivered = 0, 4, 4
    ledger.forget("1")
    (removed,) = ledger
    assert [passage.came for passage in removed.passages.values()] == [5, 4]
    assert removed.passage("logs", "all").feeds["errors"].handed == 4
    assert [passage.unaccounted for passage in removed.passages.values()] == [0, 0]


def test_a_sink_that_a_route_leads_to_later_owes_nothing_of_before_nor_of_when_it_was_left() -> (
    None
):
    page = Ledger().page("1", "web")
    passage = page.passage("logs", "r")

    def read(entries: int, *sinks: str) -> None:
        add(page.read, "logs", entries)
        passage.taken += entries
        for sink in sinks:
            passage.tally(sink).routed += entries

    for entries, sinks in ((5, ("a",)), (7, ("a", "b")), (2, ("a",)), (3, ("b", "a"))):
        page.unbind()
        passage.bind(sinks)
        read(entries, *sinks)
        assert passage.unaccounted == 0
    assert passage.tallies["b"].missed == 7
    read(1, "a")
    assert passage.unaccounted == 1


def test_a_route_that_others_lead_to_by_now_and_later_no_more_goes_on_with_its_account() -> None:
    page = Ledger().page("1", "web")
    passage = page.passage("logs", "r")
    passage.bind(("a",))
    add(page.read, "logs", 5)
    passage.taken += 5
    passage.tally("a").routed += 5
    page.unbind()
    passage.bind(("a",), fed=True)
    assert (passage.came, passage.unaccounted) == (5, 0)
    add(page.read, "logs", 4)
    page.unbind()
    passage.bind(("a",))
    assert (passage.came, passage.unaccounted) == (5, 0)


def test_of_removed_containers_a_sink_owes_only_what_came_while_there_was_one() -> None:
    ledger = Ledger()
    for number, sinks in enumerate([("a",), ("a", "b")]):
        page = ledger.page(str(number), "job")
        passage = page.passage("logs", "r")
        passage.bind(sinks)
        add(page.read, "logs", 5)
        passage.taken += 5
        for sink in sinks:
            tally = passage.tally(sink)
            tally.routed = tally.delivered = 5
        ledger.forget(str(number))
    (page,) = ledger
    assert [passage.unaccounted for passage in page.passages.values()] == [0]


def test_what_a_removed_sink_has_left_on_its_disk_is_accounted() -> None:
    tally = Ledger().page("1", "web").passage("logs", "r").tally("a")
    tally.routed, tally.delivered, tally.left = 10, 4, 6
    assert tally.open == 0


def test_a_container_that_is_removed_costs_the_same_however_many_wait_for_a_sink() -> None:
    ledger, looks = Ledger(), list[str]()

    class Gone(dict[str, None]):
        def __delitem__(self, key: str) -> None:
            looks.append(key)
            super().__delitem__(key)

    ledger._gone = Gone()
    for number in range(1000):
        ledger.page(str(number), "job").passage("logs", "r").tally("out").routed += 1
        ledger.forget(str(number))
    assert len(looks) <= 4 * 1000
    assert len(ledger.pages) == 1000
