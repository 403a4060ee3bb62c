"""Requests as the rehearsal endpoint reads them: what the CLI adds by itself costs the same on every machine."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.rehearsal.server.api_request import read_request
from campaign_lab.rehearsal.server.cache_accounting import count


def _body(reminder: str, *, role: str) -> dict[str, Any]:
    asked = {"type": "text", "text": "How long? " * 700, "cache_control": {"type": "ephemeral"}}
    old = [
        {"role": "user", "content": [{"type": "text", "text": f"<system-reminder>{reminder}</system-reminder>"}, asked]}
    ]
    new = [{"role": "user", "content": [asked]}, {"role": "system", "content": reminder}]
    return {"model": "claude-sonnet-5-5", "messages": new if role == "system" else old}


@given(st.text("abc /.", max_size=400))
def test_reminders_cost_the_same_whatever_they_say_and_wherever_they_stand(reminder: str) -> None:
    """Older models get them within the user's message, newer ones as messages of their own with the role system."""
    plain = read_request(_body("", role="user"), {})
    for role in ("user", "system"):
        ask = read_request(_body(reminder, role=role), {})
        assert ask.prompts == plain.prompts
        assert ask.digest() == plain.digest()
        assert count(ask.blocks, (), ask.model) == count(plain.blocks, (), plain.model)


def test_what_was_cached_up_to_a_reminder_is_read_by_the_next_request() -> None:
    """The CLI sets its breakpoint on a newer model's reminder, and moves it on with the next request."""
    mark = {"cache_control": {"type": "ephemeral"}}
    first = {"role": "user", "content": "How long? " * 700}
    left = [{"type": "text", "text": "<total_tokens>9 left</total_tokens>"}]
    marked = {"role": "system", "content": [left[0] | mark]}
    later = [
        {"role": "assistant", "content": "Two weeks."},
        {"role": "user", "content": [{"type": "text", "text": "And now?"} | mark]},
    ]
    asks = [
        read_request({"model": "claude-haiku-5-5", "messages": messages}, {})
        for messages in ([first, marked], [first, {"role": "system", "content": left}, *later])
    ]
    written = count(asks[0].blocks, (), asks[0].model)
    read = count(asks[1].blocks, written.written, asks[1].model)
    assert read.cache_read_tokens == written.cache_write_5m_tokens > 0
