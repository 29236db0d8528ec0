"""Hypothesis strategies: any batch that a lane may give to a buffer."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pipeline.model.batch import Batch
from pipeline.model.container import Container

text = st.text(st.characters(), max_size=12)  # lone surrogates included
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
times = st.integers(0, 999_999_999).map(lambda ns: b"2026-01-31T23:59:59.%09dZ" % ns)
containers = st.builds(
    Container,
    id=text,
    name=text,
    image=text,
    labels=st.dictionaries(text, text, max_size=3),
    host=text,
    tty=st.booleans(),
)


@st.composite
def batches(draw: st.DrawFn, of: st.SearchStrategy[Container] = containers) -> Batch:
    """Of 1 to 6 entries."""
    count = draw(st.integers(1, 6))
    start = draw(st.integers(0, 2**40))
    numbers = draw(
        st.just(range(start, start + count))
        | st.lists(st.integers(0, 2**62), min_size=count, max_size=count)
    )
    return Batch(
        draw(of),
        draw(st.lists(st.binary(max_size=40), min_size=count, max_size=count)),
        draw(st.lists(times, min_size=count, max_size=count)),
        bytes(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))),
        numbers,
        parts=draw(st.none() | st.lists(st.integers(0, 2**62), min_size=count, max_size=count)),
        source=draw(st.sampled_from(("logs", "events", "stats"))),
        fields=draw(
            st.none()
            | st.lists(st.dictionaries(text, values, max_size=4), min_size=count, max_size=count)
        ),
        bare=draw(st.booleans()),
        flags=draw(st.none() | st.dictionaries(st.integers(0, 2**62), text, min_size=1)),
        tagged=draw(st.just(0) | st.integers(0, 2**20)),
    )


def facts(batch: Batch) -> tuple[Any, ...]:
    """Everything that a spool keeps of a batch, as what can be compared: NaN and -0.0 too."""
    c = batch.container
    return (
        (c.id, c.name, c.image, dict(c.labels), c.host, c.tty),
        (batch.source, batch.bare, batch.flags),
        (batch.lines, batch.times, batch.streams),
        (type(batch.sequences) is range, list(batch.sequences), batch.parts),
        repr(batch.fields),
        batch.tagged,
    )
