"""Row-level security of the PostgreSQL store, made from the one access table: a role sees and writes what ``GRANTS`` lets it.

Who owns the tables (and a superuser) is bound by nothing, as in a lab file. Every other role is the user of its name, with
``campaign_lab`` and with plain psql alike. What is finished stays: only the tables' owner removes turns, so only that
role sweeps, for nobody else sees all the forks that stand on them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files

from campaign_lab.store.grants import GRANTS, TAKEN_IN
from campaign_lab.store.postgres.rls_functions import OWN, functions
from campaign_lab.store.queries import literal
from campaign_lab.store.rows import LEASE, SessionRow

ME = "session_user"
FIXED = ("id", "owner", "campaign", "made_at")
"""Columns of a session that nobody changes: shares and pages are found by them."""
UNPAID = f"cause IS DISTINCT FROM {literal(TAKEN_IN)}"
SEEN = "(seen_at IS NULL OR seen_at <= now())"
"""Nobody is seen to live in the future."""
TIMES = {
    "sessions": ("made_at", "last_paid_at", "swept_at"),
    "turns": ("started_at", "finished_at"),
    "attempts": ("started_at", "ended_at"),
    "claims": ("claimed_at", "seen_at"),
    "entries": ("stored_at",),
    "requests": ("stored_at",),
    "rehearsal_cache": ("stored_at",),
    "judgements": ("rated_at",),
    "pages": ("fetched_at",),
    "shares": ("shared_at",),
    "audit": ("happened_at",),
}
"""Columns with times. Python reads no infinite one, so one such row would stop all who look at the table."""
SILENT = f"(seen_at IS NULL OR seen_at < now() - interval '{LEASE.total_seconds():.0f} seconds')"
"""The claim would not be believed any more."""
AMOUNTS = {
    "attempts": ("cost_usd",),
    "requests": (
        "cost_usd", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    ),
    "pages": ("size",),
}  # fmt: skip
"""Columns that are added up: one that is no number, or below zero, would spoil the sums of all who see the row."""
COUNTABLE = "({0} IS NULL OR {0} BETWEEN 0 AND 1e12)"
READABLE = "({0} IS NULL OR {0} BETWEEN '0001-01-02 UTC' AND '9999-12-30 UTC')"


@dataclass(frozen=True)
class Rule:
    """Which rows of a table a role may see, add, change (and into what) and remove. Empty: none. ``columns`` may be changed."""

    select: str
    insert: str = ""
    update: str = ""
    into: str = ""
    columns: tuple[str, ...] = field(default=())
    delete: str = ""


def _in(column: str, *sets: str) -> str:
    """The column is in one of the sets that the functions of ``rls_functions`` give. Each is made once a statement."""
    return " OR ".join(f"{column} IN (SELECT @.{name})" for name in sets)


def _verb(verb: str) -> str:
    return f"lab_sessions({literal(verb)})"


RULES: dict[str, Rule] = {
    "sessions": Rule(
        select=f"owner = {ME} OR {_in('id', 'lab_known()')}",
        # a run makes an automatic fork in the name of the session's owner; the trigger looks at all that a session points at
        insert=f"owner = {ME} OR (automatic AND {_in('parent_session', _verb('run'))})",
        update=_in("id", *map(_verb, ("run", "fork", "change", "delete"))),
        into=_in("id", *map(_verb, ("run", "fork", "change", "delete"))),
        columns=tuple(each.name for each in fields(SessionRow) if each.name not in FIXED),
    ),
    "turns": Rule(
        select=_in("id", "lab_turns('read')"),
        insert=(
            f"({_in('id', 'lab_unsealed()')}) AND (({_in('session_id', _verb(OWN))})"
            f" AND (parent_turn IS NULL OR {_in('parent_turn', 'lab_turns(' + literal('fork') + ')')})"
            f" OR user_name = {ME} AND ({_in('session_id', _verb('run'))})"
            f" AND NOT ({_in('session_id', _verb(OWN))})"
            f" AND (parent_turn IS NULL OR {_in('parent_turn', 'lab_turns(' + literal('run') + ')')}))"
        ),
        update=f"user_name = {ME}",
        into=_in("session_id", _verb("run")),
        columns=("session_id",),
    ),
    "attempts": Rule(
        select=_in("id", "lab_ledger()"),
        insert=(
            f"user_name = {ME} AND ({_in('session_id', _verb('run'))})"
            f" OR state <> 'running' AND ({_in('session_id', _verb(OWN))})"
        ),
        update=f"user_name = {ME} AND {UNPAID} OR {_in('id', 'lab_unsettled()')}",
        into=f"user_name = {ME} OR {_in('session_id', _verb('run'))}",
        columns=("session_id", "state", "cause", "reason", "ended_at", "cost_usd"),
    ),
    "claims": Rule(
        select=f"user_name = {ME} OR {_in('attempt_id', 'lab_claimed()', 'lab_ledger()')}",
        # for an attempt of one's own, and no other key than that attempt's: see the trigger
        insert=(
            f"user_name = {ME} AND ({_in('attempt_id', 'lab_open()')})"
            f" AND {SEEN} AND num_nulls(claimed_at, host, pid, process_start) = 0"
        ),
        update=f"user_name = {ME}",
        into=f"user_name = {ME} AND {SEEN}",
        columns=("seen_at",),
        # of another's only when it has long been silent: a run that lives is not paid for twice
        delete=f"user_name = {ME} OR ({_in('attempt_id', 'lab_claimed()')}) AND {SILENT}",
    ),
    "transcripts": Rule(
        select=_in("session_id", "lab_attempts('read')", "lab_open()"),
        insert=_in("session_id", "lab_open()", "lab_own_attempts()"),
        update=_in("session_id", "lab_open()"),
        into=_in("session_id", "lab_open()"),
        columns=("n", "mtime", "summary"),
        delete=_in("session_id", "lab_open()"),
    ),
    "entries": Rule(
        select=_in("session_id", "lab_attempts('read')", "lab_open()"),
        insert=_in("session_id", "lab_open()", "lab_own_attempts()"),
        delete=_in("session_id", "lab_open()"),
    ),
    "requests": Rule(
        select=_in("attempt_id", "lab_ledger()"),
        insert=_in("attempt_id", "lab_unsettled()", "lab_unsealed()"),
        delete=_in("attempt_id", "lab_unsettled()"),
    ),
    "records": Rule(select=_in("turn_id", "lab_turns('read')"), insert=_in("turn_id", "lab_unsealed()")),
    "rehearsal_cache": Rule(
        select=_in("attempt_id", "lab_attempts('read')"), insert=_in("attempt_id", "lab_open()", "lab_own_attempts()")
    ),
    "judgements": Rule(
        select=f"user_name = {ME} OR {_in('turn_id', 'lab_made()')}",
        # what others said comes with a file, before its turn is there: then nobody speaks for them any more
        insert=(
            f"user_name = {ME} AND ({_in('turn_id', 'lab_turns(' + literal('read') + ')')})"
            f" OR ({_in('turn_id', 'lab_own_attempts()')}) AND ({_in('turn_id', 'lab_unsealed()')})"
        ),
        delete=f"user_name = {ME}",
    ),
    "pages": Rule(
        select="(owner, campaign) IN (SELECT s.owner, s.campaign FROM @.lab_scopes('read') AS s)",
        # not those of the sessions above: who forked one reads their pages, and keeps what its turns read as its own
        insert=(
            f"(owner, campaign) IN (SELECT s.owner, s.campaign FROM @.sessions AS s WHERE {_in('s.id', _verb('run'))})"
        ),
    ),
    "shares": Rule(
        select=f"user_name = {ME} OR {_in('session_id', _verb('share'))}",
        insert=f"shared_by = {ME} AND permission IN ({{permissions}}) AND ({_in('session_id', _verb('share'))})",
        delete=f"user_name = {ME} OR {_in('session_id', _verb('share'))}",
    ),
    "audit": Rule(
        select=f"user_name = {ME} OR {_in('session_id', _verb(OWN))}",
        insert=f"user_name = {ME}",
    ),
    "schema_version": Rule(select="true"),
}
"""What a role may do with the rows of each table."""

CLEAR = """
DECLARE each record;
BEGIN
    FOR each IN SELECT policyname, tablename FROM pg_policies WHERE schemaname = {schema} AND policyname LIKE 'lab!_%' ESCAPE '!'
    LOOP
        EXECUTE format('DROP POLICY %I ON %I.%I', each.policyname, {schema}, each.tablename);
    END LOOP;
END"""
"""Takes away every policy of ours, those of earlier versions too."""


def policies(schema: str, *, grants: Mapping[str, Collection[str]] = GRANTS) -> list[str]:
    """The statements that bring a schema's tables under these rules, whatever held before. Run them as the tables' owner.

    ``schema`` is the name of the schema, as it is. Run them in one transaction: in between, nothing is guarded.
    """
    name = '"' + schema.replace('"', '""') + '"'
    known = ", ".join(literal(each) for each in sorted(grants)) or "NULL"
    statements = [
        f"DO {literal(CLEAR.replace('{schema}', literal(schema)))}",
        f"GRANT USAGE ON SCHEMA {name} TO PUBLIC",
    ]
    statements.append(f"REVOKE CREATE ON SCHEMA {name} FROM PUBLIC")
    statements += functions(name, grants)
    statements.append(_triggers(name))
    for table, rule in RULES.items():
        statements += [each.replace("{permissions}", known).replace("@.", f"{name}.") for each in _table(table, rule)]
    return statements


def _triggers(schema: str) -> str:
    """The statements that make the triggers. ``schema`` is quoted already."""
    sql = files("campaign_lab.store.postgres").joinpath("rls_triggers.sql").read_text(encoding="utf-8")
    quoted = schema.replace("'", "''")
    return sql.replace("{taken_in}", literal(TAKEN_IN)).replace("'@.", f"'{quoted}.").replace("@.", f"{schema}.")


def _table(table: str, rule: Rule) -> list[str]:
    """The policies of a table, and the rights to use them."""
    statements = [f"ALTER TABLE @.{table} ENABLE ROW LEVEL SECURITY", f"REVOKE ALL ON @.{table} FROM PUBLIC"]
    sound = [
        *(READABLE.format(column) for column in TIMES.get(table, ())),
        *(COUNTABLE.format(column) for column in AMOUNTS.get(table, ())),
    ]
    checked = "".join(f" AND {each}" for each in sound)
    for command, clause in (
        ("SELECT", f"USING ({rule.select})"),
        ("INSERT", f"WITH CHECK (({rule.insert}){checked})" if rule.insert else ""),
        ("UPDATE", f"USING ({rule.update}) WITH CHECK (({rule.into}){checked})" if rule.update else ""),
        ("DELETE", f"USING ({rule.delete})" if rule.delete else ""),
    ):
        if clause:
            columns = f" ({', '.join(rule.columns)})" if command == "UPDATE" else ""
            statements += [
                f"CREATE POLICY lab_{table}_{command.lower()} ON @.{table} FOR {command} TO PUBLIC {clause}",
                f"GRANT {command}{columns} ON @.{table} TO PUBLIC",
            ]
    return statements
