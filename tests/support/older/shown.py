"""What a lab shows, as JSON: written down by the version that made the lab, and compared with what is shown today.

It uses only what all versions since 68e4478 have.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_lab import Lab
from campaign_lab.records import RECORD_TYPES

if TYPE_CHECKING:
    import pandas as pd

    from campaign_lab.sessions.history.turns import Turn
    from campaign_lab.sessions.session import Session

COST_KEYS = ("user", "campaign", "session", "phase", "agent", "day", "model", "batch", "run")
BATCH = ("cairnwold-autumn", "duewren-trial", "aubrelune-ete")
"""The briefs of the batch in 04_batch.ipynb."""


def shown(lab: Lab) -> dict[str, Any]:
    """All that the lab shows of the sessions that its user may see, as JSON: the tables, and each session by its id."""
    sessions = _sessions(lab)
    main = next(each for each in sessions if each.name == "main")
    tables = {
        "coverage": lab.coverage(sessions),
        "timeline": lab.timeline(sessions),
        **{f"pages {each.id}": lab.pages(each) for each in sessions},
        **{f"diff {each.id}": lab.diff(main, each) for each in sessions},
    }
    return {
        "tables": _tables(lab, sessions) | {name: columns_of(frame) for name, frame in tables.items()},
        "sessions": {each.id: shown_of(each) for each in sessions},
    }


def shown_in_short(lab: Lab) -> dict[str, Any]:
    """The tables that stand for the others, and the keys of each session's turns."""
    sessions = _sessions(lab)
    return {
        "tables": _tables(lab, sessions),
        "keys": {each.id: [checkpoint.key for checkpoint in each.checkpoints()] for each in sessions},
    }


def batch_again(lab: Lab, home: Path) -> dict[str, list[Any]]:
    """The rows of the notebooks' batch after it was asked for once more, from ``home``."""
    briefs = [home / "data" / "briefs" / f"{name}.toml" for name in BATCH]
    template, out = home / "notebooks" / "templates" / "campaign.ipynb", home / "runs" / "three-brands"
    return columns_of(lab.run_sync(lab.batch(briefs, template, out=out)))


def _sessions(lab: Lab) -> list[Session]:
    return [lab.open(each) for each in sorted(lab.sessions()["id"], key=str)]


def _tables(lab: Lab, sessions: Sequence[Session]) -> dict[str, dict[str, list[Any]]]:
    tables = {
        "sessions": lab.sessions(),
        "compare": lab.compare(sessions),
        **{f"records {record.kind}": lab.records(record.kind) for record in RECORD_TYPES},
        **{f"tree {each.id}": lab.tree(each) for each in sessions if not each.purpose},
        **{f"costs by {key}": lab.costs(by=key) for key in COST_KEYS},
    }
    return {name: columns_of(frame) for name, frame in tables.items()}


def columns_of(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """The values of each column."""
    rows = json.loads(frame.to_json(orient="split", date_format="iso", date_unit="us", double_precision=15))
    return {name: [row[place] for row in rows["data"]] for place, name in enumerate(rows["columns"])}


def shown_of(session: Session) -> dict[str, Any]:
    """What a session tells of itself up to where its handle stands."""
    said = session.conversation()
    return {
        "name": session.name, "full_name": session.full_name, "owner": session.owner, "purpose": session.purpose,
        "metadata": session.metadata, "endpoint": session.endpoint, "expires_at": str(session.expires_at),
        "brief": json.loads(session.brief.model_dump_json()),
        "keys": [checkpoint.key for checkpoint in session.checkpoints()],
        "kept": [_record(kept) for kept in session.kept()],
        "turns": [_turn(turn) for turn in session.turns()],
        "receipt": session.receipt.to_json(),
        "lineage": [[each.number, each.phase, each.session, each.purpose, each.user] for each in session.lineage],
        "conversation": [[message.phase, message.agent, message.role, message.text] for message in said],
        "problems": [str(problem) for problem in session.verify()],
    }  # fmt: skip


def _record(kept: Any) -> dict[str, Any]:
    return {**kept.to_json(), "kind": kept.kind, "label": kept.label, "problems": list(map(str, kept.problems))}


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "phase": turn.phase, "key": turn.key, "take": turn.take, "session": turn.session, "missing": list(turn.missing),
        "answer": turn.answer, "rehearsal": turn.rehearsal, "made_at": str(turn.made_at),
        "pages_read_at": str(turn.pages_read_at), "receipt": turn.receipt.to_json(),
        "card": text_of(turn._repr_html_()),
    }  # fmt: skip


class _Text(HTMLParser):
    """Collects what a reader sees of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Style sheets are not read."""
        self._hidden += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """And end here."""
        self._hidden -= tag == "style"

    def handle_data(self, data: str) -> None:
        """The words, without the spaces of the layout."""
        self.words += [] if self._hidden else data.split()


def text_of(html: str) -> str:
    """The text of a piece of HTML, with single spaces."""
    reader = _Text()
    reader.feed(html)
    return " ".join(reader.words)
