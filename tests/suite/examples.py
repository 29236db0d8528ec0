"""How many examples a property is tested with.

The profile `quick` is what `make test` and CI run: the same 50 for each property every time, so
that a run tells of the change and not of its luck. `full` looks further, at other ones each time:
`make test-all`, or `--hypothesis-profile=full`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

QUICK = 50
NO_CLOCK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No example is too slow: on a busy machine, or under a sanitizer, each one may be."""

settings.register_profile(
    "quick", parent=NO_CLOCK, max_examples=QUICK, derandomize=True, database=None
)
settings.register_profile("full", parent=NO_CLOCK)
settings.register_profile(
    "no shrinking",  # of a failure: with a mutant it is enough to know that there is one
    parent=settings.get_profile("quick"),
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("quick")


def examples(full: int) -> int:
    """For `max_examples` of a property that wants more, or fewer, than others: so many in a full
    run, and no more than 50 in a quick one."""
    return full if settings.get_current_profile_name() == "full" else min(full, QUICK)
