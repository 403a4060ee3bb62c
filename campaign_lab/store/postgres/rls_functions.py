"""What the connected role may reach, as functions of the PostgreSQL store: sets of ids, made anew from ``GRANTS`` each time.

They run with the rights of the tables' owner and ask for ``session_user``, so that one policy can look at rows which another
one hides. None takes an id: each tells a role what it may see anyway, and nobody can use them to try ids out. Nothing
is looked up by a search path. In the text below ``@.`` stands for the schema, and the verb ``own`` is granted by nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from campaign_lab.store.grants import TAKEN_IN
from campaign_lab.store.queries import literal

OWN = "own"
"""A verb that no permission grants: what is left are the role's own sessions."""


def _closure(start: str, step: str) -> str:
    """What ``start`` finds, and what ``step`` finds from there, until that is nothing new (``fresh``: what was new last).

    A recursive query would do, but the server makes room for the hundreds of thousands of rows that it expects of one: for a
    thousand forks that took five times as long.
    """
    return f"""
    DECLARE
        fresh text[] := ARRAY({start});
        found text[] := fresh;
    BEGIN
        WHILE cardinality(fresh) > 0 LOOP
            fresh := ARRAY(({step}) EXCEPT SELECT unnest(found));
            found := found || fresh;
        END LOOP;
        RETURN QUERY SELECT unnest(found);
    END"""


SETS: dict[str, str] = {
    # the sessions of the role's own and those shared for the verb, with the forks that runs made of them by themselves
    "lab_sessions(verb text)": _closure(
        """
        SELECT s.id FROM @.sessions AS s
        WHERE (s.owner = session_user OR s.id IN (
                SELECT h.session_id FROM @.shares AS h
                WHERE h.user_name = session_user AND h.permission = ANY ({permissions})))
            AND NOT (s.automatic IS TRUE AND EXISTS (SELECT 1 FROM @.sessions AS p WHERE p.id = s.parent_session))""",
        "SELECT f.id FROM @.sessions AS f WHERE f.automatic AND f.parent_session IN (SELECT unnest(fresh))",
    ),
    # and the expired ones that these renew, whose turns they replay
    "lab_reach(verb text)": _closure(
        "SELECT @.lab_sessions(verb)",
        """
        SELECT s.renews FROM @.sessions AS s WHERE s.renews IS NOT NULL AND s.id IN (SELECT unnest(fresh))
        UNION
        SELECT f.id FROM @.sessions AS f WHERE f.automatic AND f.parent_session IN (SELECT unnest(fresh))""",
    ),
    # the turns of those, and all that they stand on, whoever made it
    "lab_turns(verb text)": _closure(
        """
        WITH reach AS MATERIALIZED (SELECT @.lab_reach(verb) AS id)
        SELECT t.id FROM @.turns AS t WHERE t.session_id IN (SELECT id FROM reach)
        UNION
        SELECT p.turn FROM @.sessions AS s, LATERAL (VALUES (s.tip_turn), (s.start_turn)) AS p(turn)
        WHERE s.id IN (SELECT id FROM reach) AND p.turn IS NOT NULL""",
        "SELECT t.parent_turn FROM @.turns AS t WHERE t.parent_turn IS NOT NULL AND t.id IN (SELECT unnest(fresh))",
    ),
    # the sessions whose rows may be seen: besides the readable ones those that their lines came through
    "lab_known()": _closure(
        """
        SELECT @.lab_reach('read')
        UNION
        SELECT t.session_id FROM @.turns AS t WHERE t.id IN (SELECT @.lab_turns('read'))""",
        """
        SELECT p.above FROM @.sessions AS s, LATERAL (VALUES (s.parent_session), (s.renews)) AS p(above)
        WHERE s.id IN (SELECT unnest(fresh)) AND p.above IS NOT NULL""",
    ),
    # turns that were made in the readable sessions themselves: what was said of them may be known
    "lab_made()": """
        SELECT t.id FROM @.turns AS t WHERE t.session_id IN (SELECT @.lab_sessions('read'))""",
    # what was tried in sessions, failed attempts included, and what their lines stand on
    "lab_attempts(verb text)": """
        SELECT a.id FROM @.attempts AS a WHERE a.session_id IN (SELECT @.lab_sessions(verb))
        UNION
        SELECT @.lab_turns(verb)""",
    # and what the role itself has paid for, wherever that was
    "lab_ledger()": """
        SELECT @.lab_attempts('cost')
        UNION
        SELECT a.id FROM @.attempts AS a WHERE a.user_name = session_user AND a.cause IS DISTINCT FROM '{taken_in}'""",
    # attempts of the role's own that may still come to a turn: one that was taken for dead may be well
    "lab_open()": """
        SELECT a.id FROM @.attempts AS a
        WHERE a.user_name = session_user AND a.state <> 'finished' AND a.cause IS DISTINCT FROM '{taken_in}'""",
    # and running ones that it may settle when their process has died
    "lab_unsettled()": """
        SELECT @.lab_open()
        UNION ALL
        SELECT a.id FROM @.attempts AS a WHERE a.state = 'running' AND a.session_id IN (SELECT @.lab_sessions('run'))""",
    # attempts in sessions of the role's own: a file that is taken in brings what they wrote
    "lab_own_attempts()": """
        SELECT a.id FROM @.attempts AS a WHERE a.session_id IN (SELECT @.lab_sessions('own'))""",
    # attempts whose turn is being written: afterwards nobody adds to it
    "lab_unsealed()": """
        SELECT @.lab_open()
        UNION ALL
        SELECT o.id FROM @.lab_own_attempts() AS o(id) WHERE NOT EXISTS (SELECT 1 FROM @.turns AS t WHERE t.id = o.id)""",
    # attempts that may hold a key which the role may claim: of one owner's campaign, whichever session
    "lab_claimed()": """
        SELECT a.id FROM @.attempts AS a JOIN @.sessions AS s ON s.id = a.session_id
        WHERE (s.owner, s.campaign) IN (
            SELECT r.owner, r.campaign FROM @.sessions AS r WHERE r.id IN (SELECT @.lab_sessions('run')))""",
}
"""Signature and query of each function that returns ids."""

SCOPES = """
    WITH RECURSIVE up(campaign, id) AS (
        SELECT s.campaign, s.id FROM @.sessions AS s WHERE s.id IN (SELECT @.lab_sessions(verb))
        UNION
        SELECT up.campaign, s.parent_session FROM up JOIN @.sessions AS s ON s.id = up.id
        WHERE s.parent_session IS NOT NULL)
    SELECT DISTINCT r.owner, up.campaign FROM up JOIN @.sessions AS r ON r.id = up.id
    WHERE NOT EXISTS (SELECT 1 FROM @.sessions AS p WHERE p.id = r.parent_session)"""
"""Whose pages may be read, as owner and campaign: of those who own the first sessions of the lines."""

OPTIONS = "STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off"


def functions(schema: str, grants: Mapping[str, Collection[str]]) -> list[str]:
    """The statements that make the functions. ``schema`` is quoted already."""
    statements = []
    for signature, query in {**SETS, "lab_scopes(verb text)": SCOPES}.items():
        returns = "TABLE (owner text, campaign text)" if query is SCOPES else "SETOF text"
        filled = query.replace("{permissions}", _permissions(grants)).replace("{taken_in}", TAKEN_IN)
        language = "plpgsql" if "RETURN QUERY" in query else "sql"
        body = literal(filled.replace("@.", f"{schema}."))
        statements += [
            f"CREATE OR REPLACE FUNCTION {schema}.{signature} RETURNS {returns} LANGUAGE {language} {OPTIONS} AS {body}",
            f"GRANT EXECUTE ON FUNCTION {schema}.{signature} TO PUBLIC",
        ]
    return statements


def _permissions(grants: Mapping[str, Collection[str]]) -> str:
    """The permissions that grant the function's verb, as an array."""
    cases = []
    for verb in sorted({verb for verbs in grants.values() for verb in verbs}):
        names = ", ".join(literal(name) for name, verbs in sorted(grants.items()) if verb in verbs)
        cases.append(f"WHEN {literal(verb)} THEN ARRAY[{names}]")
    return f"CASE verb {' '.join(cases)} ELSE ARRAY[]::text[] END" if cases else "ARRAY[]::text[]"
