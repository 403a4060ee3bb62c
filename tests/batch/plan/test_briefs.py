"""Where briefs come from: tables, folders, files, objects. A bad one stops no other, an unreadable source is an error."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from campaign_lab import Brief
from campaign_lab.batch.plan.briefs import as_toml, read_briefs
from campaign_lab.errors import BriefError
from support.paths import BRIEFS, SITES


def _csv(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_folder_gives_its_briefs_by_name() -> None:
    """In the order of their file names, each with a file of its own that means the same."""
    found = read_briefs(BRIEFS)
    assert [one.name for one in found] == ["aubrelune-ete", "cairnwold-autumn", "duewren-trial", "termwick-renewals"]
    assert found[0].brief == Brief.load(BRIEFS / "aubrelune-ete.toml")


@pytest.mark.parametrize("name", ["aubrelune-ete", "termwick-renewals"])
def test_a_brief_as_a_file_means_the_same_wherever_it_lies(name: str, tmp_path: Path) -> None:
    """Folders of saved pages are whole paths in it, and every field comes back as it was, in any language."""
    brief = Brief.load(BRIEFS / f"{name}.toml")
    (tmp_path / "moved.toml").write_text(as_toml(brief), encoding="utf-8")
    assert Brief.load(tmp_path / "moved.toml").to_json() == brief.to_json()


@pytest.mark.parametrize(("sign", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")])
def test_a_table_has_a_brief_a_line(sign: str, encoding: str, tmp_path: Path) -> None:
    """However a spreadsheet wrote it: its separators, its mark at the beginning, empty columns and lines behind."""
    lines = [
        ["url", "market", "campaign", "language", "placements", "budget", "special_ad_categories", ""],
        [str(SITES / "aubrelune"), "", "Paniers d'été", "fr-CA", "facebook feed|instagram story", "2500.5", "", ""],
        ["https://b.example", "CA", '"Two, three; four"', "", "", "", "", ""],
        [""] * 8,
    ]
    table = _csv(tmp_path / "é.csv", "\r\n".join(sign.join(line) for line in lines) + "\r\n", encoding)
    first, second = read_briefs(table)
    assert first.brief == Brief(
        url=str(SITES / "aubrelune"), campaign="Paniers d'été", language="fr-CA", budget=2500.5,
        placements=("facebook feed", "instagram story"),
    )  # fmt: skip
    assert (second.name, second.brief) == (
        "Two, three; four",
        Brief(url="https://b.example", market="CA", campaign="Two, three; four"),
    )


@pytest.mark.parametrize("above", ["sep=;\r\n", "\n", " \r\n\r\n", "\nSEP=;\n"])
def test_what_excel_writes_above_a_table_is_passed_over(above: str, tmp_path: Path) -> None:
    """A line that names the separator, empty lines, and headings in capitals; a bad row is said with its line in the file."""
    table = _csv(tmp_path / "a.csv", f"{above}URL;Market\nhttps://a.example;GB\nhttps://b.example;nowhere\n")
    good, bad = read_briefs(table)
    assert good.brief is not None
    assert (good.brief.url, good.brief.market) == ("https://a.example/", "GB")
    assert bad.problem.startswith(f"line {above.count(chr(10)) + 3}: market: 'nowhere' is not allowed")


def test_a_table_with_tabs_may_be_called_tsv(tmp_path: Path) -> None:
    """A .tsv is a table as a .csv is, and no brief in TOML."""
    (one,) = read_briefs(_csv(tmp_path / "a.tsv", "url\tmarket\nhttps://a.example\tGB\n"))
    assert one.brief is not None
    assert one.brief.market == "GB"


def test_a_bare_host_in_a_table_is_told_how_an_address_is_written(tmp_path: Path) -> None:
    """The hint that the command line gives stands in the row's problem too."""
    (one,) = read_briefs(_csv(tmp_path / "a.csv", "url\nyour-brand.example\n"))
    assert "for a web address write https://your-brand.example" in one.problem


def test_folders_in_a_table_are_meant_from_the_table(tmp_path: Path) -> None:
    """As in a brief's own file."""
    (tmp_path / "sites" / "mine").mkdir(parents=True)
    (one,) = read_briefs(_csv(tmp_path / "a.csv", "url,language\nsites/mine,en-GB\n"))
    assert one.brief is not None
    assert one.brief.folder_of(one.brief.url) == tmp_path / "sites" / "mine"


def test_a_frame_is_a_table() -> None:
    """Missing values are left out, lists may be lists."""
    table = pd.DataFrame(
        {
            "url": ["https://a.example", "https://b.example", None],
            "market": ["CA"] * 3,
            "budget": [5.0, float("nan"), 1.0],
            "competitors": [["https://r.example"], None, None],
        }
    )
    first, second, third = read_briefs(table)
    assert first.brief == Brief(url="https://a.example", market="CA", budget=5.0, competitors=("https://r.example",))
    assert second.brief == Brief(url="https://b.example", market="CA")
    assert (third.brief, third.name) == (None, "row 3")
    assert "row 3: url: missing" in third.problem


def test_briefs_are_read_while_another_thread_imports_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is there before its classes are: no source can be a frame yet."""
    monkeypatch.setitem(sys.modules, "pandas", ModuleType("pandas"))
    assert len(read_briefs(BRIEFS)) == 4


def test_a_bad_brief_stops_no_other(tmp_path: Path) -> None:
    """It is said in one line what is wrong with it, and in which line of the table it stands."""
    bad, good, wide = read_briefs(
        _csv(
            tmp_path / "a.csv", "url,market\nftp://a.example,nowhere\nhttps://b.example,GB\nhttps://c.example,GB,more\n"
        )
    )
    assert bad.brief is None
    assert bad.problem.startswith("line 2: ")
    assert "'ftp://a.example' is not allowed" in bad.problem
    assert "'nowhere' is not allowed" in bad.problem
    assert "\n" not in bad.problem
    assert good.brief == Brief(url="https://b.example", market="GB")
    assert "line 4: more cells than columns" in wide.problem


def test_a_list_holds_files_addresses_and_briefs(tmp_path: Path) -> None:
    """And a file that is not there is one bad brief of several."""
    given = Brief(url="https://a.example", market="CA", campaign="Given")
    found = read_briefs([given, BRIEFS / "duewren-trial.toml", "https://b.example.ca", tmp_path / "missing.toml"])
    assert [one.name for one in found] == ["Given", "duewren-trial", "b.example.ca", "missing"]
    assert [one.brief is None for one in found] == [False, False, False, True]
    assert "cannot be read" in found[3].problem


def test_a_huge_table_of_bad_rows_is_all_refused(tmp_path: Path) -> None:
    """Five thousand rows of noise are five thousand problems, each of one line that shows on a terminal."""
    noise = random.Random(7)
    signs = [chr(n) for n in (*range(32, 127), 0x1B, 0x202E, 0xE9, 0x4E2D) if chr(n) not in '",\n']
    lines = ["".join(noise.choices(signs, k=30)) for _ in range(5_000)]
    found = read_briefs(_csv(tmp_path / "a.csv", "url\n" + "\n".join(f"x{line}" for line in lines) + "\n"))
    assert len(found) == 5_000
    assert all(one.brief is None and one.problem and one.problem.isprintable() for one in found)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "url: the column is missing"),
        (b"url\n", "no rows"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", "cannot be read"),
        (b"url,colour,url\nhttps://a.example,blue,x\n", "'colour': there is no such field"),
        (b"url\n" + b"x" * 200_000 + b"\n", "cannot be read"),
        ("url,campaign\nhttps://a.example,été\n".encode("latin-1"), "save it as CSV in UTF-8"),
        (b"a;b;c\n1;2;3\n", "url: the column is missing"),
    ],
)
def test_what_is_no_table_of_briefs_is_an_error(data: bytes, problem: str, tmp_path: Path) -> None:
    """Rubbish, an empty file, unknown columns, another encoding: the whole source is refused, and it is said why."""
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(BriefError, match=problem):
        read_briefs(tmp_path / "a.csv")


def test_an_empty_folder_and_a_missing_source_are_errors(tmp_path: Path) -> None:
    """Nothing to do would look like done."""
    with pytest.raises(BriefError, match="no brief in it"):
        read_briefs(tmp_path)
    with pytest.raises(BriefError, match="no such file or folder"):
        read_briefs(tmp_path / "nowhere")
    assert read_briefs([]) == []
