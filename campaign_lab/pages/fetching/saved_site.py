"""Saved pages: a folder that stands for a site, or one HTML file. Nothing outside of it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from campaign_lab.errors import PageError
from campaign_lab.pages.fetching.limits import FetchedResponse

_PAGES = (".html", ".htm", ".xhtml")
_HOME = ("index.html", "index.htm", "index.xhtml")
_LISTED = 12  # names that an error lists


def read_page(url: str, source: Path, max_bytes: int) -> FetchedResponse:
    """The saved page that stands for an address. Raises PageError with the names that there are."""
    wanted = _wanted(url)
    if source.is_file():
        if wanted.name not in ("", source.name, source.stem, *_HOME) or len(wanted.parts) > 1:
            reason = "this site is one saved file, and it is its home page: give the address without a path"
            raise PageError(url, reason)
        return _answer(url, source, PurePosixPath(""), max_bytes)
    if not source.is_dir():
        raise PageError(url, "its saved folder or file does not exist any more; put it back, or give another site")
    found = next((name for name in _candidates(wanted) if _inside(url, source, name).is_file()), None)
    if found is None:
        raise PageError(url, f"the saved site has no page {str(wanted)!r}; its pages are: {_names(source)}")
    public = found.parent if found.name in _HOME else found
    return _answer(url, _inside(url, source, found), public, max_bytes, folder=found.name in _HOME)


def read_style(url: str, source: Path, max_bytes: int) -> FetchedResponse:
    """A style sheet beside saved pages; of a single file, only from the folder that a browser saves with it."""
    wanted = _wanted(url)
    root = source if source.is_dir() else source.parent
    if source.is_file() and wanted.parts[:1] not in ((f"{source.stem}_files",), (f"{source.name}_files",)):
        raise PageError(url, "it is not in the folder that was saved with the page")
    file = _inside(url, root, wanted)
    if file.suffix.lower() != ".css" or not file.is_file():
        raise PageError(url, "the saved site has no such style sheet")
    return FetchedResponse(url, _bytes(url, file, max_bytes), "text/css")


def _wanted(url: str) -> PurePosixPath:
    """The path that an address names, relative to the site. A query is no part of a file's name."""
    path = unquote(urlsplit(url).path).lstrip("/")
    steps = path.split("/")
    if "\x00" in path or "\\" in path or any(step.startswith(".") for step in steps):
        reason = f"the path {path[:200]!r} leaves the saved site, or names a hidden file; follow one of its links"
        raise PageError(url, reason)
    return PurePosixPath(path)


def _candidates(wanted: PurePosixPath) -> Iterator[PurePosixPath]:
    """The files that may stand for a path: itself, with an ending, or the home page of a folder."""
    if wanted.suffix.lower() in _PAGES:
        yield wanted
    if wanted.name:
        yield from (wanted.with_name(wanted.name + ending) for ending in _PAGES)
    yield from (wanted / name for name in _HOME)
    if wanted.name and wanted.suffix.lower() not in _PAGES:
        yield wanted  # a page saved without an ending


def _inside(url: str, root: Path, name: PurePosixPath) -> Path:
    """The real file, if it is still inside the folder: a symbolic link may lead out of it."""
    try:
        file = (root / name).resolve()
        inside = file.is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        raise PageError(url, f"{str(name)[:200]!r} is not a file name; follow one of the site's links") from None
    if not inside:
        raise PageError(url, f"{str(name)!r} leads out of the saved site; only what is in its folder is read")
    return file


def _answer(url: str, file: Path, name: PurePosixPath, max_bytes: int, *, folder: bool = False) -> FetchedResponse:
    parts = urlsplit(url)
    path = "" if str(name) == "." else quote(str(name)) + ("/" if folder else "")
    return FetchedResponse(f"{parts.scheme}://{parts.netloc}/".lower() + path, _bytes(url, file, max_bytes))


def _bytes(url: str, file: Path, max_bytes: int) -> bytes:
    try:
        with file.open("rb") as stream:
            body = stream.read(max_bytes + 1)
    except OSError as error:
        raise PageError(url, f"the saved file cannot be read ({error.strerror}); check its permissions") from None
    if len(body) > max_bytes:
        raise PageError(url, f"it is larger than {max_bytes / 1e6:g} MB; read a smaller page of the site")
    return body


def _names(source: Path) -> str:
    """The first pages of a folder, by name."""
    names: list[str] = []
    for file in source.rglob("*"):
        if file.suffix.lower() in _PAGES and not any(part.startswith(".") for part in file.relative_to(source).parts):
            names.append(file.relative_to(source).as_posix())
        if len(names) > 1_000:
            break
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(sorted(names)[:_LISTED]) + more or "none, the folder has no .html file"
