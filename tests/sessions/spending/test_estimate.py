"""What a campaign is expected to cost with each balanced model."""

from __future__ import annotations

import pytest

from campaign_lab import Brief
from campaign_lab.agents.phases import ORDER, builtin_phases
from campaign_lab.agents.prices import BALANCED
from campaign_lab.sessions.spending.estimate import CONVERSATION_TOKENS, typical_usd
from support.labs import MakeLab


@pytest.mark.both_stores
def test_before_anything_was_run_typical_sizes_tell_the_models_apart(make_lab: MakeLab, termwick: Brief) -> None:
    """Each balanced model at its own price, for all phases that are asked for."""
    session = make_lab().session(termwick)
    agents = {name: phase.agents for name, phase in builtin_phases().items()}
    known = {
        model: [typical_usd(model, CONVERSATION_TOKENS, agents[phase]) or 0.0 for phase in ORDER] for model in BALANCED
    }
    assert session.estimate_by_model(ORDER) == {model: pytest.approx(sum(usd)) for model, usd in known.items()}
    assert len({*session.estimate_by_model(ORDER).values()}) == len(BALANCED)
