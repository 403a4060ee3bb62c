"""The url of a PostgreSQL server as people may see it: without its password, wherever that stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from campaign_lab.errors import StoreError
from campaign_lab.store.postgres.errors import ADVICE

ENCODE = (
    "If it must stand in the url, percent-encode all of it that is no letter or digit, such as %40 for @ and %2F for /."
)
"""What to do about a password in a url."""


def shown(url: str) -> str:
    """The url without its password, and without options but the one that tells labs of one database apart. Raises StoreError."""
    from psycopg.conninfo import conninfo_to_dict

    unread = StoreError("postgresql://…", "is no url that can be read", f"{ADVICE} {ENCODE}")
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except Exception:  # its text quotes parts of the url
        raise unread from None
    if _cut_wrongly(url, parts):
        raise unread
    user = f"{quote(parts['user'])}@" if "user" in parts else ""
    host = parts.get("host", "")
    host = f"[{host}]" if ":" in host else quote(host, safe="")
    port = f":{parts['port']}" if "port" in parts else ""
    options = f"?options={quote(parts['options'])}" if "options" in parts else ""
    return f"postgresql://{user}{host}{port}/{quote(parts.get('dbname', ''))}{options}"


def _cut_wrongly(url: str, parts: Mapping[str, str]) -> bool:
    """May something of the password stand in another part? So it is where "@", "/" or ":" were left in it as they are."""
    before, _, after = url.partition("://")[2].partition("/")
    if before.count("@") > 1 or "@" in after or ":" in parts.get("user", "") or "@" in parts.get("host", ""):
        return True
    return not all(port.isdecimal() for port in parts.get("port", "").split(",") if port)
