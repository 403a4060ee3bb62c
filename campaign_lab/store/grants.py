"""The one access table: what each permission lets another user do with a session. Whatever decides on access reads it here.

In a lab file ``sessions.access`` applies it; on a PostgreSQL server ``policies`` makes row-level security of it.
"""

from __future__ import annotations

from typing import Literal

Verb = Literal["read", "fork", "run", "share", "cost", "change", "delete"]
Permission = Literal["read", "fork", "run"]

GRANTS: dict[str, frozenset[str]] = {
    "read": frozenset({"read", "cost"}),
    "fork": frozenset({"read", "cost", "fork"}),
    "run": frozenset({"read", "cost", "run"}),
}
"""What each permission lets another user do. Sharing, changing and deleting stay with the owner."""

TAKEN_IN = "taken in"
"""The cause of an attempt that a role took in from a file under another's name: it counts for nobody's ledger."""
