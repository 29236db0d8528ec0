"""Every string of a configuration."""

from __future__ import annotations

from pipeline.config.strings import strings


def test_strings_are_found_at_any_depth_but_in_routes_and_tests() -> None:
    tree = {
        "sinks": {"a": {"urls": ["x", {"y": "z"}], "n": 1, "routes": "kept"}},
        "routes": {"r": {"to": ["a"]}},
        "tests": [{"input": ["line"]}],
    }
    assert list(strings(tree)) == [
        (("sinks", "a", "urls", 0), "x"),
        (("sinks", "a", "urls", 1, "y"), "z"),
        (("sinks", "a", "routes"), "kept"),
    ]
