"""Which earlier ruling an act has to do with: what decides whether a command given twice is one act."""

import pytest

from hub.review import Act

ACCEPT = Act("accept", "b", "a")


@pytest.mark.parametrize(
    ("act", "other", "touches"),
    [
        (ACCEPT, ACCEPT, True),
        (ACCEPT, Act("unlink", "b"), True),
        (ACCEPT, Act("reject", "b", "x"), True),
        (ACCEPT, Act("accept", "c", "a"), False),
        (ACCEPT, Act("accept", "a", "x"), False),
        (ACCEPT, Act("merge", "", "x", "b"), True),
        (ACCEPT, Act("merge", "", "x", "y"), False),
        (Act("unlink", "b"), Act("unlink", "c"), False),
        (Act("merge", "", "a", "b"), Act("merge", "", "a", "b"), True),
        (Act("merge", "", "a", "b"), Act("unlink", "b"), True),
        (Act("merge", "", "a", "b"), Act("accept", "c", "a"), True),
        (Act("merge", "", "a", "b"), Act("accept", "c", "d"), False),
    ],
)
def test_an_act_looks_back_to_what_was_ruled_on_its_own_reports(act: Act, other: Act, touches: bool) -> None:
    assert act.touches(other) is touches
