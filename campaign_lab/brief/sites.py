"""Sites of a brief: web addresses, and made-up ones for folders and files of saved pages."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from campaign_lab.brief.allowed import EXPECTED

PAGE_ENDINGS = (".html", ".htm", ".xhtml")
"""Files that may stand for a site."""


def origin_of(url: str) -> str:
    """Scheme, host and port of a url, lower case: what two pages of one site share."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def site_beside(site: str, folder: Path) -> str:
    """A site as it is named in a file of the folder: a relative path is meant from there."""
    return site if not site or "://" in site or site.startswith(("/", "~")) else str(folder / site)


def site_address(given: str, field: str, sources: dict[str, str]) -> str:
    """The address that stands for a site in prompts and records; a folder is noted in ``sources``."""
    text = given.strip()
    if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*://", text):
        if not _is_address(text):
            raise ValueError(f"{field}: {given!r} is not allowed; expected {EXPECTED[field]}")
        parts = urlsplit(text)
        return f"{origin_of(text)}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
    path = _saved(text)
    if path is None:
        raise ValueError(f"{field}: {given!r} is no saved site; expected {EXPECTED[field]}{_https_hint(text)}")
    name = re.sub(r"[^a-z0-9]+", "-", (path.name if path.is_dir() else path.stem).lower()).strip("-") or "site"
    origin = f"https://{name}.example"
    if sources.setdefault(origin, str(path)) != str(path):
        raise ValueError(f"{field}: {given!r} has the same name as {sources[origin]!r}; rename one of the two folders")
    return f"{origin}/"


def _https_hint(text: str) -> str:
    """Says how a bare host is written as a web address; one in a file comes as a path in that file's folder."""
    there = next((folder for folder in Path(text).parents if folder.is_dir()), Path())
    rest = text.removeprefix(f"{there}/")
    bare = re.match(r"^[\w-]+(\.[\w-]+)*\.[a-z]{2,}(/|$)", rest) and not rest.lower().endswith(PAGE_ENDINGS)
    return f"; for a web address write https://{rest}" if bare else ""


def _is_address(text: str) -> bool:
    """Is it a whole web address? One with a password in it is not: prompts and records would show it."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError for a port that cannot be
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _saved(text: str) -> Path | None:
    """The folder or .html file of that name, if there is one."""
    try:
        path = Path(text).expanduser()
        good = path.is_dir() or (path.suffix.lower() in PAGE_ENDINGS and path.is_file())
    except (OSError, RuntimeError, ValueError):  # too long a name, a home folder that nobody has, a zero byte
        return None
    return path.resolve() if text and good else None
