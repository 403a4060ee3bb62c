"""The HTML of a real campaign: small enough for notebooks, and the same however often it is asked for."""

from __future__ import annotations

import pytest

from campaign_lab import Brief
from support.labs import MakeLab
from support.markup import assert_only_ours

KB = 1000


@pytest.mark.usefixtures("slow")
def test_a_turn_and_a_session_show_themselves(lab_of: MakeLab, termwick: Brief) -> None:
    """Research below 40 kB and angles below 30 kB; replayed they are the same; the session says what comes next."""
    lab = lab_of()
    session = lab.session(termwick)
    for phase, limit in (("research", 40 * KB), ("strategy", 30 * KB)):
        turn = lab.run_sync(session.run(phase))
        html = turn._repr_html_()
        assert_only_ours(html)
        assert len(html.encode()) < limit
        assert html == session.turns()[-1]._repr_html_()
        assert "(rehearsal)" in html
    assert 'await session.run("copy")' in assert_only_ours(session._repr_html_()).text


def test_a_brief_is_text(termwick: Brief) -> None:
    """Control characters and overrides of the direction do not come out, nor does markup."""
    brief = termwick.model_copy(update={"campaign": "<script>\x1b\u202e $5 and $10", "audience": "5\u00a0% off"})
    read = assert_only_ours(brief._repr_html_())
    assert "<script> $5 and $10" in read.text
    assert "5 % off" in read.text
    assert "mathjax_ignore" in read.tags[0][1]["class"]
