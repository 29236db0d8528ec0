"""What is certain about entries after a stage, and where several ways come together."""

from __future__ import annotations

from pipeline.config.advice.known import Known, of_all
from pipeline.model.component import Effect


def made(*names: str) -> Effect:
    return Effect(makes=frozenset(names))


def test_fields_are_those_that_were_made_and_not_lost() -> None:
    known = Known().after(made("a", "b"), "s", "s0").after(made("c"), "s", "s1")
    assert known.made == known.named == {"a", "b", "c"}
    known = known.after(Effect(makes=frozenset(("d",)), loses={"a": "d", "b": ""}), "s", "s2")
    assert known.made == {"c", "d"}
    assert known.gone == {"a": ("s2", "d"), "b": ("s2", "")}
    known = known.after(made("b"), "s", "s3")
    assert (known.made, [*known.gone]) == ({"b", "c", "d"}, ["a"])


def test_a_stage_that_may_make_anything_leaves_nothing_certain_but_its_own_name() -> None:
    lost = Effect(makes=frozenset(), loses={"a": ""})
    known = Known().after(lost, "s", "s0").after(made("b"), "s", "s1").after(Effect(), "s", "s2")
    assert (known.made, known.named, known.gone) == (None, {"b"}, {})


def test_words_go_with_the_field_and_end_where_it_is_made_anew() -> None:
    words = Effect(makes=frozenset(("level",)), words={"level": lambda value: "word"})
    known = Known().after(words, "s", "s0").after(made("other"), "s", "s1")
    assert known.words["level"][1] == "s0"
    renamed = known.after(
        Effect(makes=frozenset(("severity",)), loses={"level": "severity"}), "s", "s2"
    )
    assert [*renamed.words] == ["severity"]
    assert known.after(made("level"), "s", "s2").words == {}
    assert known.after(Effect(), "s", "s2").words == {}


def test_conditions_hold_until_something_may_change_the_entries() -> None:
    known = Known().after(Effect(condition="a"), "s", "s0").after(Effect(condition="b"), "s", "s1")
    assert known.conditions == ("a", "b")
    assert known.after(made("c"), "s", "s2").conditions == ()


def test_what_has_parsed_the_message_counts_until_there_is_another_message() -> None:
    known = Known().after(Effect(part="parse"), "p", "s0").after(Effect(part="parse"), "q", "s1")
    assert known.parsed == {"p": "s0", "q": "s1"}
    assert known.after(Effect(renews_message=True), "r", "s2").parsed == {}


def test_where_ways_come_together_only_what_all_have_in_common_is_certain() -> None:
    lost = {"a": ("s0", ""), "b": ("s0", "")}
    one = Known(frozenset("xy"), frozenset("x"), lost, conditions=["a", "b"], parsed={"p": "1"})
    other = Known(frozenset("z"), frozenset("z"), {"b": ("s9", "")}, conditions=["b"])
    both = of_all([one, other])
    assert (both.made, both.named) == (frozenset("xyz"), frozenset("xz"))
    assert (both.gone, both.conditions, both.parsed) == ({"b": ("s0", "")}, ["b"], {})
    assert of_all([one, Known(made=None)]).made is None
    assert of_all([one]) == one


def test_a_value_that_can_come_on_any_way_can_come() -> None:
    def word(of: str) -> Known:
        return Known(words={"level": (lambda value: "word" if value == of else value, "s0")})

    assert of_all([word("a"), word("a")]).words["level"][0]("a") == "word"
    assert of_all([word("a"), word("b")]).words["level"][0]("a") == "a"
    assert of_all([word("a"), Known()]).words == {}
