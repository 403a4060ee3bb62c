"""Records of a lab file made by hand: angles and copy variants in turns that fit together, without running the CLI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from campaign_lab.store import queries
from campaign_lab.store.rows import JudgementRow, RecordRow, SessionRow
from support.lab_rows import NOW, grow

HOME = "https://a.example/"


def quote(words: str, supported: bool | None = True) -> dict[str, Any]:
    """A quote of the home page."""
    return {"quote": words, "url": HOME, "supported": supported}


def claim(text: str, *quotes: dict[str, Any]) -> dict[str, Any]:
    """A claim; its quote is its text unless others are given."""
    return {"text": text, "evidence": list(quotes) or [quote(text)]}


def variant(headline: str, *, angle: str = "Calm", **fields: Any) -> RecordRow:
    """A copy variant of an angle. Its id is the headline in small letters."""
    body = {
        "angle": angle, "headline": headline, "primary_text": "One question.", "description": "Short.", "claims": [],
        "call_to_action": "SHOP_NOW", "language": "en-CA", "length": "short", "hook": None, "picture_line": None,
        "picture": None, **fields,
    }  # fmt: skip
    return _record("copy_variant", headline, body)


def angle(name: str, motivation: str = "pain", stage: str = "problem", **fields: Any) -> RecordRow:
    """An angle."""
    return _record("angle", name, {"name": name, "motivation": motivation, "awareness_stage": stage, **fields})


def insight(*, pains: Sequence[str] = (), desires: Sequence[str] = ()) -> RecordRow:
    """What moves the customers."""
    body = {"pains": [claim(text) for text in pains], "desires": [claim(text) for text in desires]}
    return _record("customer_insight", "customer_insight", body)


def turn(con: queries.Con, row: SessionRow, name: str, *records: RecordRow, phase: str = "copy") -> SessionRow:
    """Stores a finished turn with these records after the session's tip. Returns the session."""
    grown = grow(con, row, name, phase=phase)
    con.execute("DELETE FROM records WHERE turn_id = ?", [name])
    for n, record in enumerate(records):
        queries.insert(con, [RecordRow(**{**vars(record), "turn_id": name, "n": n})])
    return grown


def said(turn_id: str, n: int = 0, user: str = "ana", *, at: datetime = NOW, **what: Any) -> JudgementRow:
    """A judgement of a copy variant."""
    what = {"pick": "", "rating": None, "note": "", **what}
    return JudgementRow(turn_id, "copy_variant", n, user, **what, rated_at=at)


def _record(kind: str, label: str, body: dict[str, Any]) -> RecordRow:
    return RecordRow(
        turn_id="", kind=kind, n=0, record_id=label.lower(), label=label, revision=1, body=json.dumps(body),
        degraded=False, problems="[]",
    )  # fmt: skip
