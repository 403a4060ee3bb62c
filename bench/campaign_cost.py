"""What a whole campaign costs, and what a fork of it: output tokens, list price, and time when an answer is written slowly.

The mortgage site of the demo, in rehearsal, through the real SDK and CLI, at list prices of the model with which the
bars were set. The time is that of a campaign whose endpoint writes 70 tokens a second in each request, several requests at once.
The figures of the version before the bars were: 22,935 tokens, $0.7489, forks at $0.0974 and $0.3734. The last line is the
price of a campaign with the default model.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from itertools import combinations
from pathlib import Path
from typing import Any

from rapidfuzz.fuzz import token_set_ratio

from campaign_lab import Brief, Lab
from campaign_lab.lab import DEFAULT_MODEL
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.session import Session

BRIEF = Path(__file__).resolve().parents[1] / "data" / "briefs" / "termwick-renewals.toml"
PHASES = ("research", "strategy", "copy")
TOKENS_A_SECOND = 70
MODEL = "claude-sonnet-4-6"
BARS = {"output tokens": 9_500, "campaign": 0.46, "one angle": 0.045, "five angles": 0.16}


class PacedServer(RehearsalServer):
    """Writes its answers at a set pace, as a model does."""

    async def _messages(self, request: Any) -> Any:
        response = await super()._messages(request)
        if hasattr(response, "body_iterator"):
            response.body_iterator = _paced(response.body_iterator)
        return response


async def _paced(events: AsyncIterator[str]) -> AsyncIterator[str]:
    async for event in events:
        data = json.loads(event.split("data: ", 1)[1])
        if data["type"] == "message_delta":
            await asyncio.sleep(data["usage"]["output_tokens"] / TOKENS_A_SECOND)
        yield event


def main() -> int:
    """Prints one line a figure; 1 when one is over its bar."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        with Lab(Path(folder) / "lab.duckdb", user="bench", model=MODEL) as lab:
            _cost(lab, found)
        with Lab(Path(folder) / "default.duckdb", user="bench") as lab:
            found[f"campaign with {DEFAULT_MODEL}"] = _run(lab, lab.session(Brief.load(BRIEF)), {}, *PHASES)
        found["seconds"] = _seconds(Path(folder))
    over = [name for name, bar in BARS.items() if found[name] > bar]
    for name, value in found.items():
        bar = f" (bar {BARS[name]:,})" if name in BARS else ""
        print(f"{name}: {value:,.5f}{bar}".replace(".00000", ""))
    return 1 if over else 0


def _cost(lab: Lab, found: dict[str, float]) -> None:
    base = lab.session(Brief.load(BRIEF))
    found["output tokens"] = 0
    found["campaign"] = _run(lab, base, found, *PHASES)
    found["one angle"] = _run(lab, base.fork("One angle", at="research"), {}, "strategy", "copy", count=1)
    found["five angles"] = _run(lab, base.fork("Five angles", at="research"), {}, "strategy", "copy")
    found["one angle, share of the campaign"] = found["one angle"] / found["campaign"]
    found["five angles, share of the campaign"] = found["five angles"] / found["campaign"]
    for writers in ("one", "each") if "writers" in lab._context.phase("copy").arguments else ():
        fork = base.fork(f"Writers: {writers}", at="strategy")
        started = time.perf_counter()
        turn = lab.run_sync(fork.run("copy", steer="", writers=writers))
        found[f"copy, writers={writers}"] = turn.receipt.cost_usd or 0.0
        written = max(
            line.output_tokens / (5 if writers == "each" else 1)
            for line in turn.receipt.lines
            if line.agent != "main agent"
        )
        main_agent = next(line.output_tokens for line in turn.receipt.lines if line.agent == "main agent")
        found[f"copy, writers={writers}, seconds of writing"] = (written + main_agent) / TOKENS_A_SECOND
        found[f"copy, writers={writers}, seconds beside it"] = time.perf_counter() - started
        texts = [record.primary_text for record in fork.records("copy_variant")]  # type: ignore[attr-defined]
        pairs = list(combinations(texts, 2))
        found[f"copy, writers={writers}, mean sameness of two texts (0 to 100)"] = sum(
            token_set_ratio(*pair) for pair in pairs
        ) / len(pairs)


def _run(lab: Lab, session: Session, found: dict[str, float], *phases: str, **options: Any) -> float:
    """US dollars of the phases, one after the other; the options are for the first."""
    paid = 0.0
    for phase in phases:
        turn = lab.run_sync(session.run(phase, **(options if phase == phases[0] else {})))
        assert turn.receipt.cost_usd is not None
        paid += turn.receipt.cost_usd
        if "output tokens" in found:
            found["output tokens"] += sum(line.output_tokens for line in turn.receipt.lines)
    return paid


def _seconds(folder: Path) -> float:
    """How long a campaign takes at the set pace."""
    server = PacedServer()
    server.start()
    try:
        with Lab(folder / "paced.duckdb", user="bench", model=MODEL, endpoint=RehearsalEndpoint(server)) as lab:
            session = lab.session(Brief.load(BRIEF))
            started = time.perf_counter()
            for phase in PHASES:
                lab.run_sync(session.run(phase))
            return time.perf_counter() - started
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
