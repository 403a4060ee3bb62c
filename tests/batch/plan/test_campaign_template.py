"""The template of a campaign: what a batch may set in it."""

from __future__ import annotations

import ast
import json

from support.paths import ROOT

TEMPLATE = ROOT / "notebooks" / "templates" / "campaign.ipynb"


def test_a_batch_may_set_brief_session_model_and_angle() -> None:
    """Each has a type that papermill tells, and stands for what the lab does when nothing is said."""
    cells = {cell["id"]: cell for cell in json.loads(TEMPLATE.read_text(encoding="utf-8"))["cells"]}
    assert cells["parameters"]["metadata"]["tags"] == ["parameters"]
    lines = ast.parse("".join(cells["parameters"]["source"])).body
    given = {
        ast.unparse(line.target): ast.literal_eval(line.value)
        for line in lines
        if isinstance(line, ast.AnnAssign) and line.value
    }
    assert list(given) == ["brief_path", "session_name", "model", "angle"]
    assert len(given) == len(lines)
    assert (given["model"], given["angle"]) == ("", "")
    assert (TEMPLATE.parent / given["brief_path"]).is_file()
