"""Hints for those who come from Logspout."""

from __future__ import annotations

import pytest

from pipeline.config.one_line.logspout import option_hint, scheme_hint, udp_warning
from pipeline.config.one_line.reader import read_address, schemes

OF_LOGSPOUT = ("raw", "raw+tcp", "raw+udp", "raw+tls", "multiline+raw", "multiline+syslog+tls")
OF_LOGSPOUT += ("tcp", "udp", "tls", "fluentd-tcp")


@pytest.mark.parametrize("scheme", OF_LOGSPOUT)
def test_each_form_that_is_not_one_here_has_a_hint(scheme: str) -> None:
    assert scheme not in schemes()
    assert scheme_hint(scheme)
    ((_, message, hint),) = read_address(f"{scheme}://192.168.10.10:5000").slips
    assert (message, hint) == (f"there is no {scheme}://", scheme_hint(scheme))


def test_other_schemes_and_options_have_none() -> None:
    assert scheme_hint("papertral") == option_hint("format") == ""
    assert option_hint("append_tag")


def test_what_it_sends_over_udp_is_warned_of_unless_the_protocol_is_named() -> None:
    assert udp_warning("syslog") is not None
    assert udp_warning("syslog+udp") is None
