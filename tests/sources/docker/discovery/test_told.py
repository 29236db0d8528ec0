"""Which containers are followed is told once, however many there are."""

from pipeline.sources.docker.discovery.told import NAMED, following


def test_those_that_are_followed_are_named_and_the_others_counted() -> None:
    assert following(["web", "db"], 0) == "following 2 containers: db, web"
    assert following(["web"], 1) == "following 1 container: web; 1 other is not selected"
    assert following([], 3) == "following 0 containers; 3 others are not selected"


def test_of_many_the_first_are_named() -> None:
    said = following([f"c{number:03}" for number in range(1000)], 0)
    assert said.endswith(f", c{NAMED - 1:03} and {1000 - NAMED} more")
