"""The inputs of a run as digests, and which of them have changed since, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaign_lab.batch.plan.names import digest
from campaign_lab.batch.plan.template import Template
from campaign_lab.brief import Brief
from campaign_lab.sessions.context import Context
from campaign_lab.show.text import plain

BETWEEN = ": "


def inputs_of(context: Context, template: Template, brief: Brief, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Returns a digest for each field of the brief, each code cell, each parameter, the store and the endpoint.

    The places of a brief's folders of saved pages are left out, as they are in no key.
    """
    parts = {
        "brief": {name: digest(value) for name, value in brief.model_dump(mode="json").items()},
        "notebook": {f"cell {plain(name)}": value for name, value in template.cells.items()},
        "parameters": {name: digest(value) for name, value in parameters.items()},
    }
    found = {f"{group}{BETWEEN}{name}": value for group, named in parts.items() for name, value in named.items()}
    order = digest(list(template.cells))
    return found | {
        f"notebook{BETWEEN}order of cells": order,
        "store": digest(context.engine.display_url),
        "endpoint": context.endpoint.name,
    }


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Returns what differs, such as ``brief: objective, audience; notebook: cell strategy``; empty for nothing."""
    names = [name for name in dict.fromkeys((*before, *now)) if before.get(name) != now.get(name)]
    added_or_gone = [name for name in names if name.startswith("notebook") and (name in before) != (name in now)]
    if added_or_gone:  # then the order is another one for that alone
        names = [name for name in names if not name.endswith("order of cells")]
    groups: dict[str, list[str]] = {}
    for name in names:
        group, _, part = name.partition(BETWEEN)
        groups.setdefault(group, []).extend([part] if part else [])
    return "; ".join(f"{group}: {', '.join(parts)}" if parts else group for group, parts in groups.items())
