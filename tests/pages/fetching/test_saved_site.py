"""Saved pages: a folder or a file that stands for a site."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_lab.errors import PageError
from campaign_lab.pages import FetchLimits, Page
from campaign_lab.pages.fetching.saved_site import read_page

Get = Callable[..., Page]
ORIGIN = "https://shop.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of five pages, with a secret beside it and a link that leads there."""
    root = tmp_path_factory.mktemp("saved") / "shop"
    (root / "blog").mkdir(parents=True)
    (root / ".git").mkdir()
    for name in ("index.html", "rates.html", "blog/index.html", "blog/first post.htm", ".git/x.html"):
        (root / name).write_text(
            f"<title>{name}</title><link rel=stylesheet href=/a.css?v=2><p class=x>Text of {name}</p>"
        )
    (root / "plain").write_text("<title>plain</title>")
    (root / "a.css").write_text(".x { color: #123456 }")
    (root.parent / "secret.html").write_text("<title>secret</title>")
    (root / "out.html").symlink_to(root.parent / "secret.html")
    os.mkfifo(root / "pipe.html")
    return root


@pytest.mark.parametrize(
    ("path", "title", "public"),
    [
        ("", "index.html", "/"),
        ("/", "index.html", "/"),
        ("/index.html", "index.html", "/"),
        ("/?utm=1#top", "index.html", "/"),
        ("/rates.html", "rates.html", "/rates.html"),
        ("/rates", "rates.html", "/rates.html"),
        ("/rates/", "rates.html", "/rates.html"),
        ("/blog", "blog/index.html", "/blog/"),
        ("/blog/", "blog/index.html", "/blog/"),
        ("/blog/index", "blog/index.html", "/blog/"),
        ("/blog/first%20post", "blog/first post.htm", "/blog/first%20post.htm"),
        ("/plain", "plain", "/plain"),
    ],
)
def test_a_folder_is_a_site(folder: Path, get: Get, path: str, title: str, public: str) -> None:
    """With or without ending, a page has one public address, which holds no path of the disk."""
    page = get(ORIGIN + path, sources=[(ORIGIN, str(folder))], allow_private=False)
    assert (page.title, page.url) == (title, ORIGIN + public)
    assert str(folder) not in page.to_json()


def test_style_sheets_of_a_folder_are_read(folder: Path, get: Get) -> None:
    """Colours come from the folder's own files."""
    assert get(ORIGIN + "/rates", sources=[(ORIGIN, str(folder))]).colours == ("#123456",)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.html",
        "/%2e%2e/secret.html",
        "/blog/..%2f..%2fsecret.html",
        "/out.html",
        "/.git/x.html",
        "/%5c..%5csecret.html",
        "/a%00b",
    ],
)
def test_nothing_outside_of_the_folder_is_read(folder: Path, get: Get, path: str) -> None:
    """Neither by dots, written any way, nor through a symbolic link, nor from a hidden folder."""
    with pytest.raises(PageError, match=r"leaves the saved site|leads out of the saved site"):
        get(ORIGIN + path, sources=[(ORIGIN, str(folder))])


@settings(max_examples=200)
@given(
    steps=st.lists(
        st.sampled_from(["..", ".", "blog", "%2e%2e", "%2E.", "secret.html", "rates.html", "", "%2f", "out.html", "a"]),
        max_size=6,
    )
)
def test_no_path_leads_to_the_secret(folder: Path, steps: list[str]) -> None:
    """However steps are put together, what is read is a page of the folder."""
    try:
        answer = read_page(f"{ORIGIN}/{'/'.join(steps)}", folder, 10_000)
    except PageError:
        return
    assert b"secret" not in answer.body


def test_a_missing_page_names_those_that_exist(folder: Path, get: Get) -> None:
    """The agent is told what it can read instead; a pipe is no page."""
    with pytest.raises(PageError, match=r"no page 'prices'; its pages are: .*index\.html.*rates\.html") as caught:
        get(ORIGIN + "/prices", sources=[(ORIGIN, str(folder))])
    assert str(folder) not in str(caught.value)
    with pytest.raises(PageError, match="no page 'pipe'"):
        get(ORIGIN + "/pipe", sources=[(ORIGIN, str(folder))])


def test_a_saved_file_is_its_home_page_only(tmp_path: Path, get: Get) -> None:
    """One file stands for a site of one page, with the style sheets that a browser saved beside it and nothing else."""
    file = tmp_path / "Shop.html"
    file.write_text(
        '<title>Shop</title><link rel=stylesheet href="Shop_files/a.css"><link rel=stylesheet href="b.css"><p>Hello there'
    )
    (tmp_path / "Shop_files").mkdir()
    (tmp_path / "Shop_files" / "a.css").write_text("p { color: #123456 }")
    (tmp_path / "b.css").write_text("p { color: #654321 }")
    (tmp_path / "other.html").write_text("<title>Other</title>")
    sources = [(ORIGIN, str(file))]
    page = get(ORIGIN + "/", sources=sources)
    assert (page.title, page.url, page.colours) == ("Shop", ORIGIN + "/", ("#123456",))
    with pytest.raises(PageError, match="one saved file"):
        get(ORIGIN + "/other.html", sources=sources)


def test_a_folder_that_is_gone_or_a_file_that_is_huge_is_refused(tmp_path: Path, get: Get) -> None:
    """The limits hold on disk too, and a missing folder says what to do."""
    with pytest.raises(PageError, match="does not exist any more"):
        get(ORIGIN + "/", sources=[(ORIGIN, str(tmp_path / "gone"))])
    (tmp_path / "index.html").write_text("<p>" + "a" * 5_000)
    with pytest.raises(PageError, match="larger than"):
        get(ORIGIN + "/", sources=[(ORIGIN, str(tmp_path))], limits=FetchLimits(bytes=1_000))
    (tmp_path / "photo.html").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(PageError, match="not HTML"):
        get(ORIGIN + "/photo", sources=[(ORIGIN, str(tmp_path))])
