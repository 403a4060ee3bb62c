"""Why a PostgreSQL server cannot be used, told in plain words, and which of its errors are worth another try."""

from __future__ import annotations

from campaign_lab.errors import StoreError

ADVICE = "Write it as postgresql://USER@HOST:5432/DATABASE; the password goes into ~/.pgpass."
AGAIN = ("40001", "40P01", "53300", "57P01", "57P02", "57P03", "57P05")
"""Serialization failure, deadlock, too many connections, shut down, crashed, starting up, idle for too long."""
IN_THE_WAY = ("40001", "40P01")
"""Those of them that say that another transaction stood in the way."""
_NOT_YET = ("is starting up", "is shutting down", "in recovery mode", "not yet accepting connections")
"""What a server says of itself that refuses a connection because it restarts: the driver tells no 57P03 then."""

_CONNECTING: tuple[tuple[str, str, str], ...] = (
    (
        "password authentication failed",
        "refused the password",
        "Put the right one into ~/.pgpass (mode 0600), or into the url.",
    ),
    (
        "no password supplied",
        "asks for a password",
        "Put it into ~/.pgpass (mode 0600): HOST:PORT:DATABASE:USER:PASSWORD.",
    ),
    (
        "does not exist",
        "cannot be opened: {0}",
        "Its administrator makes roles and databases: CREATE ROLE …; CREATE DATABASE ….",
    ),
    ("no pg_hba.conf entry", "lets nobody in from here: {0}", "Its administrator adds a line for you to pg_hba.conf."),
    ("too many connections", "has no connection left", "Wait a moment, or raise max_connections of the server."),
)
"""What a failed connection says, what that means, and what to do; {0} is the server's own line.

The driver gives no SQLSTATE for a connection that failed: the words are all there is.
"""


def missing_driver(url: str) -> StoreError:
    """The driver is not installed."""
    kind = url.split("://", 1)[0]
    return StoreError(
        f"{kind}://…",
        "needs the PostgreSQL driver, which is not installed here",
        "Install it: pip install 'campaign_lab[team]'.",
    )


def after_outage(error: Exception) -> bool:
    """Was the connection lost, or did two transactions stand in each other's way? Then the same may work a moment later."""
    import psycopg

    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return state in AGAIN or state.startswith("08")


def restarting(error: Exception) -> bool:
    """Will opening the lab go well in a moment? Not when nobody answers there: then the address may be wrong."""
    import psycopg

    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if state is None and isinstance(error, psycopg.OperationalError):
        return any(phrase in str(error) for phrase in _NOT_YET)
    return state == "57P03" or state in IN_THE_WAY


def explained(path: str, error: Exception) -> Exception:
    """The StoreError that a driver's error amounts to; the error itself if it is about a statement and not the server."""
    import psycopg

    text, state = _line(error), error.sqlstate if isinstance(error, psycopg.Error) else None
    if state is None and isinstance(error, psycopg.OperationalError):
        return _of_connecting(path, text)
    if state in ("55P03", "57014", "25P03", *IN_THE_WAY):
        advice = (
            "Another process holds it for long. Wait until it is done, then run again. What was stored before stays."
        )
        return StoreError(path, f"was busy for too long ({text})", advice)
    if state in AGAIN or (state or "").startswith("08"):
        return _of_connecting(path, text)
    if state == "53100":
        return StoreError(
            path, "could not be written: the server's disk is full", "Free some space there and run again."
        )
    if state == "23505":
        advice = "Nothing was changed. It may be somebody else's, whom you may ask to share it."
        return StoreError(path, f"has something of that id already ({text})", advice)
    if state == "42501":
        advice = "You work there as the role that you connect with; ask the owner to share the session with it."
        return StoreError(path, f"does not allow that: {text}", advice)
    return error


def _of_connecting(path: str, text: str) -> StoreError:
    for phrase, reason, advice in _CONNECTING:
        if phrase in text:
            return StoreError(path, reason.format(text), advice)
    return StoreError(
        path,
        f"cannot be reached: {text}",
        "See that the server runs and that host and port are right. What was stored before stays.",
    )


def _line(error: Exception) -> str:
    """What the driver says, as one line without its list of further tries."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0].rstrip(".") if lines else type(error).__name__
    return said.removeprefix("connection failed: ").rpartition("FATAL:")[2].strip()
