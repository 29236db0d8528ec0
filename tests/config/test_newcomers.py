"""What is usually wrong in a first configuration gets a message that says what to write instead.

Each is the whole output of `dockline check`, its first line wrapped: the place, what is wrong
and what to do; then the line as it was written, and a mark.
"""

from __future__ import annotations

from textwrap import dedent

import pytest

from pipeline.config import ConfigErrors
from pipeline.config.file import parse


def route(*stages: str, more: str = "") -> str:
    listed = ",\n  ".join(stages)
    return f'[sinks.out]\ntype = "console"\n\n[routes.shop]\nto = ["out"]\n{more}\n' + (
        f"stages = [\n  {listed},\n]\n" if stages else ""
    )


PARSE, LEVEL = '{ parse = "json" }', '{ level = "auto" }'

MISTAKES = {
    "the order of severities": (
        route(PARSE, "{ keep = \"level >= 'error'\" }"),
        """
        f:9: routes.shop.stages[1].keep: texts and numbers have another order than
        severities; write at_least(level, "error")
            keep = "level >= 'error'"
                             ^
        """,
    ),
    "a word that the stage level writes in another way": (
        route(LEVEL, "{ keep = \"level in ('warn', 'error')\" }"),
        """
        f:9: routes.shop.stages[1].keep: level is never "warn" here: stages[0].level
        makes it "warning"; write "warning"
            keep = "level in ('warn', 'error')"
                              ^
        """,
    ),
    "a text without quotes": (
        route(PARSE, '{ keep = "level == error" }'),
        """
        f:9: routes.shop.stages[1].keep: error without quotes is a field of this name;
        for the text write "error"
            keep = "level == error"
                             ^
        """,
    ),
    "an `or` of texts": (
        route(PARSE, "{ keep = \"level == 'error' or 'fatal'\" }"),
        """
        f:9: routes.shop.stages[1].keep: "fatal" by itself is the same for every entry;
        write level in ("error", "fatal")
            keep = "level == 'error' or 'fatal'"
                                        ^
        """,
    ),
    "an `and` that should be an `or`": (
        route(PARSE, "{ drop = \"level == 'debug' and level == 'trace'\" }"),
        """
        f:9: warning: routes.shop.stages[1].drop: lets everything through, whatever the
        entries are; is an `and` meant to be an `or`? Correct the expression, or remove
        the stage
            drop = …
            ^^^^
        """,
    ),
    "operators of another language": (
        route(PARSE, "{ keep = \"level == 'error' && status > 499\" }"),
        """
        f:9: routes.shop.stages[1].keep: write "and" for "&&"
            keep = "level == 'error' && status > 499"
                                     ^
        """,
    ),
    "one = to compare": (
        route(PARSE, "{ keep = \"level = 'error'\" }"),
        """
        f:9: routes.shop.stages[1].keep: write "==" to compare
            keep = "level = 'error'"
                          ^
        """,
    ),
    "the slash of Docker's API": (
        route(more="containers = 'name == \"/web\"'"),
        """
        f:6: routes.shop.containers: a container's name has no slash here; write "web"
            containers = 'name == "/web"'
                                  ^
        """,
    ),
    "a name alone": (
        route(more='containers = "web"'),
        """
        f:6: routes.shop.containers: a container has no "web". There are id, name,
        image, labels, project, service, host; a text is in quotes, "web".
            containers = "web"
                          ^
        """,
    ),
    "a pattern with a star": (
        route(more="containers = 'name == \"web-*\"'"),
        """
        f:6: routes.shop.containers: == takes * literally; write startswith(name, "web-")
            containers = 'name == "web-*"'
                                  ^
        """,
    ),
    "the id as docker ps shows it": (
        route(more="containers = 'id == \"3f2a9c1b4d5e\"'"),
        """
        f:6: routes.shop.containers: an id has 64 characters; write startswith(id, "3f2a9c1b4d5e")
            containers = 'id == "3f2a9c1b4d5e"'
                                ^
        """,
    ),
    "a condition before what makes its field": (
        route('{ keep = "status >= 500" }', PARSE),
        """
        f:8: warning: routes.shop.stages[0].keep: no stage before this one makes a field
        "status"; put stages[1], which parses the message, before this
            keep = "status >= 500"
                    ^
        """,
    ),
    "a condition on what was removed": (
        route(PARSE, '{ remove = ["level"] }', "{ keep = \"level == 'error'\" }"),
        """
        f:10: warning: routes.shop.stages[2].keep: no entry has a field "level" here:
        stages[1].remove removes it; put what reads it before that stage
            keep = "level == 'error'"
                    ^
        """,
    ),
    "parse before join": (
        route(PARSE, '{ join = "java" }'),
        """
        f:8: warning: routes.shop.stages[0].parse: stands before the join in stages[1]:
        lines are parsed one by one, and what is joined to one of them is not; put the
        join before this
            parse = …
            ^^^^^
        """,
    ),
    "redact before parse": (
        route('{ redact = { keys = ["password"], fields = ["user"] } }', PARSE),
        """
        f:8: warning: routes.shop.stages[0].redact: stands before the parse in
        stages[1]: what it hides in fields is read out of the message again; put the
        parse before this
            redact = …
            ^^^^^^
        """,
    ),
    "a stage that nothing reaches": (
        route('{ drop = "True" }', PARSE),
        """
        f:8: warning: routes.shop.stages[0].drop: lets nothing through; the stages after
        it and the sinks of this route get nothing; correct the expression, or remove it
            drop = …
            ^^^^
        """,
    ),
    "a number in quotes": (
        route('{ parse = "logfmt" }', "{ keep = \"status >= '500'\" }"),
        """
        f:9: warning: routes.shop.stages[1].keep: two texts are compared as texts, in
        which "99" is more than "500"; write status >= 500
            keep = "status >= '500'"
                              ^
        """,
    ),
    "a sink named twice": (
        route().replace('["out"]', '["out", "out"]'),
        """
        f:5: routes.shop.to[1]: "out" is in this list already; remove it, or name another
            "out"
            ^^^^^
        """,
    ),
    "a sink that nobody uses": (
        route() + '[sinks.old]\ntype = "console"\n',
        """
        f:7: warning: sinks.old: no route leads to this sink; name it in the `to` of a
        route, or remove it
            [sinks.old]
            ^^^^^^^^^^^
        """,
    ),
    "a certificate that is not there": (
        '[sinks.out]\ntype = "syslog"\naddress = "tls://logs"\ntls = { ca = "/no/ca.pem" }\n',
        """
        f:4: warning: sinks.out.tls.ca: "/no/ca.pem" cannot be read: there is no folder
        /no; correct the path, or let this user read the file
            ca = …
            ^^
        """,
    ),
    "a list that is none": (
        route('{ redact = "email" }'),
        """
        f:8: routes.shop.stages[0].redact: expected an array or a table, got a string;
        put it in brackets: [ … ]
            redact = …
            ^^^^^^
        """,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_usual_mistake_gets_a_message_that_says_what_to_write(mistake: str) -> None:
    text, expected = MISTAKES[mistake]
    try:
        problems, kind = parse(text, {}, "f").warnings, "warning"
    except ConfigErrors as errors:
        problems, kind = errors.problems, ""
    assert len(problems) == 1
    sentence, _, excerpt = dedent(expected).strip().partition("\n    ")
    said, *shown = problems[0].lines("f", kind)
    assert said == " ".join(sentence.split("\n"))
    assert "\n".join(shown) == f"    {excerpt}"
