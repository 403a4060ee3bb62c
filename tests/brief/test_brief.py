"""The brief: read from files and keywords, checked as a whole, and never a path in what is sent."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab import Brief
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.brief import AdvertiserRole, Objective, SpecialAdCategory, origin_of
from campaign_lab.errors import BriefError
from campaign_lab.markets import market_names

WEB = "https://shop.example.org"

LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
ADDRESSES = st.builds(
    lambda scheme, name, path, query: f"{scheme}://{name}.example.org/{path}" + (f"?{query}" if query else ""),
    st.sampled_from(["http", "https", "HTTPS"]),
    LABELS,
    st.text("abcXYZ-_/.%20é", max_size=12),
    st.text("abc=&1", max_size=8),
)
BRIEFS = st.builds(
    Brief,
    url=ADDRESSES,
    campaign=st.text(max_size=120).filter(str.strip) | st.just(""),
    objective=st.sampled_from(get_args(Objective)),
    market=st.sampled_from(["CA", "CA-ON", "US", "GB", "DE-BY"]),
    language=st.sampled_from(["en", "fr-CA", "zh-Hant-TW"]),
    audience=st.text(max_size=200),
    competitors=st.lists(ADDRESSES, max_size=10),
    special_ad_categories=st.lists(st.sampled_from(get_args(SpecialAdCategory)), max_size=3),
    advertiser_role=st.sampled_from(get_args(AdvertiserRole)),
    budget=st.none() | st.floats(0, 1e12),
    placements=st.lists(st.text(min_size=1, max_size=40).filter(str.strip), max_size=4),
    allow_private_addresses=st.booleans(),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved site in a folder whose path would give itself away."""
    site = tmp_path / "secret-place" / "Rate Finder"
    site.mkdir(parents=True)
    (site / "index.html").write_text("<title>Rates</title>")
    return site


def problems_of(**fields: Any) -> tuple[str, ...]:
    with pytest.raises(BriefError) as caught:
        Brief(**fields)
    return caught.value.problems


def test_keywords_alone_make_a_brief() -> None:
    """A url with a country in it is enough; the campaign is then called like the site."""
    brief = Brief(url="https://shop.example.ca")
    assert (brief.url, brief.campaign, brief.market) == ("https://shop.example.ca/", "shop.example.ca", "CA")


def test_toml_and_yaml_say_the_same(tmp_path: Path) -> None:
    """The same fields in either format give equal briefs."""
    (tmp_path / "a.toml").write_text(
        f'url = "{WEB}"\nmarket = "CA-ON"\nbudget = 12.5\ncompetitors = ["https://b.example"]\n'
    )
    (tmp_path / "b.yaml").write_text(f"url: {WEB}\nmarket: CA-ON\nbudget: 12.5\ncompetitors:\n  - https://b.example\n")
    assert Brief.load(tmp_path / "a.toml") == Brief.load(tmp_path / "b.yaml")
    assert Brief.load(tmp_path / "a.toml").competitors == ("https://b.example/",)


def test_an_override_replaces_a_field_of_the_file_and_none_does_not(tmp_path: Path) -> None:
    """What the command line gives wins, what it leaves out stays."""
    (tmp_path / "a.toml").write_text(f'url = "{WEB}"\nmarket = "GB"\nlanguage = "en-GB"\n')
    brief = Brief.load(tmp_path / "a.toml", market="US", language=None)
    assert (brief.market, brief.language) == ("US", "en-GB")


def test_a_folder_becomes_a_made_up_origin(folder: Path) -> None:
    """The address follows from the folder's name alone, and leads back to the folder."""
    brief = Brief(url=str(folder), market="CA")
    assert brief.url == "https://rate-finder.example/"
    assert brief.campaign == "rate-finder.example"
    assert brief.folder_of("https://rate-finder.example/faq.html") == folder
    assert brief.folder_of("https://elsewhere.example/") is None


def test_one_saved_page_becomes_a_made_up_origin(folder: Path) -> None:
    """A single .html file is a site too, named without its ending."""
    page = folder / "Landing.html"
    page.write_text("<p>hello</p>")
    assert Brief(url=str(page), market="CA").url == "https://landing.example/"


def test_folders_in_a_file_are_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not matter from where the brief is loaded."""
    monkeypatch.chdir("/")
    file = folder.parent / "brief.toml"
    file.write_text(f'url = "{folder.name}"\nmarket = "CA"\ncompetitors = ["./{folder.name}/index.html"]\n')
    brief = Brief.load(file)
    assert brief.folder_of(brief.url) == folder
    assert brief.folder_of(brief.competitors[0]) == folder / "index.html"


def test_two_folders_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    """They would share a made-up address, and one brand's pages would pass for the other's."""
    twin = tmp_path / "rate_finder"
    twin.mkdir()
    (problem,) = problems_of(url=str(folder), market="CA", competitors=[str(twin)])
    assert problem.startswith(f"competitors: {str(twin)!r}")
    assert str(folder) in problem


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("url", "no/such/folder", "a web address"),
        ("url", "", "a web address"),
        ("url", "ftp://files.example", "a web address"),
        ("url", "https://", "a web address"),
        ("url", "http://[", "a web address"),
        ("url", "https://a.example:99999/", "a web address"),
        ("url", "https://me:secret@a.example/", "a web address"),
        ("url", "~nobody-of-that-name/site", "a web address"),
        ("url", "x" * 300, "a web address"),
        ("url", "a\0b", "a web address"),
        ("url", 7, "a web address"),
        ("competitors", "https://b.example", "a list of at most 10"),
        ("competitors", ["no/such/folder"], "web addresses"),
        ("competitors", [f"https://b{n}.example" for n in range(11)], "at most 10"),
        ("campaign", "x" * 121, "1 to 120 characters"),
        ("objective", "CLICKS", "OUTCOME_TRAFFIC"),
        ("market", 7, "CA-ON"),
        ("language", "elvish!", "fr-CA"),
        ("audience", "x" * 1_001, "at most 1000 characters"),
        ("special_ad_categories", ["LOANS"], "FINANCIAL_PRODUCTS_SERVICES"),
        ("special_ad_categories", "HOUSING", "a list of"),
        ("advertiser_role", "ceo", "brokerage"),
        ("budget", -1, "at least 0"),
        ("budget", float("nan"), "at least 0"),
        ("placements", [""], "placement names"),
        ("allow_private_addresses", "perhaps", "true or false"),
        ("sources", 3, "it is filled in"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_what_is_allowed(field: str, value: Any, allowed: str) -> None:
    """One line a problem: field, value, what is allowed."""
    (problem,) = problems_of(**{"url": WEB, "market": "CA", field: value})
    shown = repr(value[0]).strip("'") if isinstance(value, list) else repr(value)
    assert problem.startswith(f"{field}: ")
    assert shown in problem
    assert allowed in problem


def test_all_wrong_fields_are_named_at_once() -> None:
    """A brief is mended in one go, not field by field."""
    found = problems_of(url="no/such/folder", competitors=["neither/this"], objective="CLICKS", market="Canada")
    assert {problem.partition(":")[0] for problem in found} == {"url", "competitors", "objective", "market"}


def test_a_missing_url_and_a_misspelt_field_are_explained() -> None:
    """What is missing is asked for, and the field that was probably meant is named."""
    found = problems_of(campain="Spring")
    assert "url: missing; expected a web address" in " ".join(found)
    assert "campain: there is no such field; did you mean campaign?" in found


def test_a_bare_host_name_is_told_how_to_write_it() -> None:
    """The commonest mistake gets its remedy."""
    (problem,) = problems_of(url="theratefinder.ca/rates")
    assert problem.endswith("for a web address write https://theratefinder.ca/rates")


def test_a_file_that_is_no_page_is_not_a_site(tmp_path: Path) -> None:
    """Only folders and .html files stand for sites."""
    notes = tmp_path / "notes.txt"
    notes.write_text("private")
    (problem,) = problems_of(url=str(notes))
    assert "folder or .html file" in problem


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "url = ", "not valid TOML"),
        ("a.yaml", "url: [", "not valid YAML"),
        ("a.yaml", "budget: 2026-13-45", "not valid YAML"),
        ("a.yaml", "- just\n- a list", "found list"),
        ("a.yaml", "", "found NoneType"),
        ("a.yaml", "1: one", "1: there is no such field"),
        ("a.toml", 'url = ""', "url: '' "),
    ],
)
def test_a_file_that_is_no_brief_is_named_with_what_is_wrong(tmp_path: Path, name: str, text: str, said: str) -> None:
    """Never a bare parser error: the file's name and the reason."""
    (tmp_path / name).write_text(text)
    with pytest.raises(BriefError) as caught:
        Brief.load(tmp_path / name)
    assert said in str(caught.value)
    assert name in str(caught.value)


def test_a_file_that_is_not_there_is_a_brief_error(tmp_path: Path) -> None:
    """The path is named, and which formats are taken."""
    with pytest.raises(BriefError, match=r"missing\.toml.*(.|\n)*give a \.toml or \.yaml file"):
        Brief.load(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("market", "category"), [("CA-ON", "CREDIT"), ("US", "EMPLOYMENT"), ("GB", "ISSUES_ELECTIONS_POLITICS")]
)
def test_a_regulated_market_asks_who_speaks(market: str, category: str) -> None:
    """Where the law wants licence lines, advertiser_role is asked for, and then taken."""
    (problem,) = problems_of(url=WEB, market=market, special_ad_categories=[category])
    assert problem.startswith(f"advertiser_role: missing; {market[:2]} regulates {category}: ")
    assert "brokerage" in problem
    assert (
        Brief(url=WEB, market=market, special_ad_categories=[category], advertiser_role="agent").advertiser_role
        == "agent"
    )


def test_an_unregulated_market_does_not_ask_who_speaks() -> None:
    """A rule holds only where it is law."""
    assert Brief(url=WEB, market="CA", special_ad_categories=["EMPLOYMENT"]).advertiser_role is None


def test_a_brief_is_frozen() -> None:
    """A session's brief cannot change under it."""
    with pytest.raises(ValueError, match="frozen"):
        Brief(url=WEB, market="CA").campaign = "other"


@given(BRIEFS)
def test_json_gives_the_brief_back(brief: Brief) -> None:
    """What is stored with a turn is the brief that was used."""
    assert Brief.from_json(brief.to_json()) == brief


def test_json_keeps_the_folders_even_when_they_are_gone(folder: Path) -> None:
    """A stored brief opens on a machine without the saved pages."""
    brief = Brief(url=str(folder), market="CA")
    (folder / "index.html").unlink()
    folder.rmdir()
    again = Brief.from_json(brief.to_json())
    assert again == brief
    assert again.folder_of(again.url) == folder


@given(st.text() | st.text("/.:@?#[]~ab\\\0 ", max_size=12))
def test_any_text_is_a_site_or_a_brief_error(text: str) -> None:
    """No url, however odd, gets past as another error."""
    try:
        outcome = Brief(url=text, market="CA").url
    except BriefError as error:
        outcome = error.problems[0]
    assert outcome.startswith(("http://", "https://", "url: "))


@given(ADDRESSES)
def test_an_origin_is_a_site_however_it_is_written(url: str) -> None:
    """Two pages of one site share it, whatever their path, and upper case does not matter."""
    origin = origin_of(url)
    assert origin_of(origin + "/another?page#1") == origin == origin.lower()


@given(
    name=st.text("abcAB -_é日", min_size=1, max_size=12).map(str.strip).filter(bool),
    phase=st.sampled_from(["research", "strategy", "copy"]),
)
def test_a_path_never_appears_in_a_message(tmp_path_factory: pytest.TempPathFactory, name: str, phase: str) -> None:
    """Neither the machine's folders nor those of a site are sent: keys and records stay the same on every machine."""
    root = tmp_path_factory.mktemp("home-of-someone")
    site = root / name
    site.mkdir()
    brief = Brief(url=str(site), market="CA", competitors=[str(root)])
    message = builtin_phases()[phase].message(brief, steer="bolder")
    assert str(root) not in message
    assert "/tmp" not in message
    assert root.name in message or phase != "research"  # the competitor is there, under its made-up address
    assert '"sources"' not in message


def test_shows_itself_in_words() -> None:
    """Meta's codes are words and the budget is an amount; a text that only looks like a code stays."""
    html = Brief(
        url="https://a.example", campaign="OUT_OF_OFFICE", objective="OUTCOME_LEADS", budget=6000.0, market="CA",
        special_ad_categories=("FINANCIAL_PRODUCTS_SERVICES",), advertiser_role="brokerage",
    )._repr_html_()  # fmt: skip
    for words in (">Leads<", ">Financial products services<", ">6,000<", ">OUT_OF_OFFICE<"):
        assert words in html


@pytest.mark.parametrize("written", ["your-brand.example", "www.your-brand.example/shop?a=1"])
def test_a_bare_host_in_a_file_is_told_how_an_address_is_written(written: str, tmp_path: Path) -> None:
    """As on the command line; a missing page or folder gets no such hint, and a folder that is there is meant."""
    file = tmp_path / "a.toml"
    file.write_text(f'url = "{written}"\nmarket = "CA"\n', encoding="utf-8")
    with pytest.raises(BriefError, match=re.escape(f"for a web address write https://{written}")):
        Brief.load(file)
    for missing in ("saved/index.html", "nowhere"):
        file.write_text(f'url = "{missing}"\n', encoding="utf-8")
        with pytest.raises(BriefError) as refused:
            Brief.load(file)
        assert "write https://" not in str(refused.value)
    (tmp_path / "brand.example").mkdir()
    file.write_text('url = "brand.example"\nmarket = "CA"\n', encoding="utf-8")
    assert Brief.load(file).folder_of("https://brand-example.example/") == tmp_path / "brand.example"


ODD: list[Any] = [5, 1.5, True, None, [], {}, ["x"], {"a": 1}, [[1]], "x", "\x00", "\ud800"]


@pytest.mark.parametrize("field", [*(name for name in Brief.model_fields), "else"])
def test_a_field_of_a_wrong_type_is_one_line(field: str) -> None:
    """Whatever JSON type stands in a field, the brief is made or refused in one line; the same for JSON that is no brief."""
    said = [_refusal(json.dumps({"url": WEB, field: value})) for value in ODD]
    assert any(said)
    assert all(each.startswith("The brief cannot be used: ") and "\n" not in each for each in said if each)


def _refusal(text: str) -> str:
    """Why the text is no brief; empty when it is one."""
    try:
        Brief.from_json(text)
    except BriefError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("text", ["[]", "5", "null", '"x"', '[{"url": "x"}]', "", "{", "[" * 100_000])
def test_json_that_is_no_brief_is_one_line(text: str, tmp_path: Path) -> None:
    """A list or a number at the top, or no JSON at all, is a BriefError; in a YAML file too."""
    with pytest.raises(BriefError) as refused:
        Brief.from_json(text)
    assert "\n" not in str(refused.value)
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BriefError) as refused:
        Brief.load(tmp_path / "a.yaml")
    assert "\n" not in str(refused.value)


# -- markets and languages


@pytest.mark.parametrize(
    ("given", "read"), [("UK", "GB"), ("UK-ENG", "GB-ENG"), ("gb", "GB"), ("ca-on", "CA-ON"), ("JP-13", "JP-13")]
)
def test_a_market_is_read_as_its_iso_code(given: str, read: str) -> None:
    """UK means GB, with its subdivisions too, and letter case says nothing."""
    assert Brief(url=WEB, market=given).market == read


def test_uk_is_regulated_like_gb() -> None:
    """The other name skips no rule."""
    (problem,) = problems_of(url=WEB, market="UK", special_ad_categories=["CREDIT"])
    assert problem.startswith("advertiser_role: missing; GB regulates CREDIT")


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("market", "QC", "did you mean CA-QC?"),
        ("market", "NSW", "did you mean AU-NSW?"),
        ("market", "Canada", "did you mean CA?"),
        ("market", "Ontario", "did you mean CA-ON?"),
        ("market", "USA", "did you mean US?"),
        ("market", "EN", "EN is a language (English): give language='en' and a country as the market"),
        ("market", "CA-XX", "give CA, or a subdivision: CA-AB, CA-BC"),
        ("market", "XX", "expected an ISO 3166 code such as CA or CA-ON"),
        ("language", "jp", "did you mean ja?"),
        ("language", "en-UK", "did you mean en-GB?"),
        ("language", "fr-QC", "did you mean fr-CA?"),
        ("language", "English", "did you mean en?"),
        ("language", "eng", "did you mean en?"),
        ("language", "xx", "expected a BCP 47 tag such as en or fr-CA"),
    ],
)
def test_a_code_that_is_none_is_told_what_was_probably_meant(field: str, given: str, said: str) -> None:
    """Countries and subdivisions, languages and regions are checked against the standards' own tables."""
    (problem,) = problems_of(**{"url": WEB, "market": "CA", field: given})
    assert problem.startswith(f"{field}: {given!r} is not allowed; ")
    assert said in problem


@pytest.mark.parametrize(
    "tag", ["en", "fr-CA", "zh-Hant-TW", "es-419", "de-1996", "zh-yue", "en-x-house", "en-u-ca-gregory"]
)
def test_a_language_tag_is_taken_letter_by_letter(tag: str) -> None:
    """It stands in what is sent, so stored turns go on replaying."""
    assert Brief(url=WEB, market="CA", language=tag).language == tag


@given(st.text(max_size=12) | st.text("ABCenUK-1", max_size=8))
def test_any_text_is_a_code_or_a_brief_error(text: str) -> None:
    """No market and no language, however odd, gets past as another error."""
    for field in ("market", "language"):
        try:
            outcome = getattr(Brief(**{"url": WEB, "market": "CA", field: text}), field)
        except BriefError as error:
            outcome = error.problems[0]
        assert outcome.lower() in (text.strip().lower(), "gb") or outcome.startswith((f"{field}: ", "GB-"))


@pytest.mark.parametrize(
    ("url", "language", "market", "notice"),
    [
        ("https://shop.co.uk/a", "en", "GB", "market GB, guessed from .co.uk; set market to change it"),
        ("https://shop.ca", "en-US", "CA", "market CA, guessed from .ca; set market to change it"),
        ("https://shop.example", "fr-CA", "CA", "market CA, guessed from the language fr-CA; set market to change it"),
        ("https://shop.io", "de-AT", "AT", "market AT, guessed from the language de-AT; set market to change it"),
    ],
)
def test_a_market_is_guessed_from_ending_and_language_and_said(
    url: str, language: str, market: str, notice: str
) -> None:
    """From nothing else; an ending that sites anywhere use tells nothing."""
    brief = Brief(url=url, language=language)
    assert (brief.market, brief.notice) == (market, notice)
    assert notice.removeprefix("market ") in brief._repr_html_()
    assert Brief.from_json(brief.to_json()).notice == notice
    assert Brief(url=url, language=language, market=market).notice == ""


@pytest.mark.parametrize("url", ["https://shop.com", "https://shop.io", "http://192.0.2.7", "http://localhost:8000"])
def test_a_market_that_cannot_be_guessed_is_asked_for(url: str, folder: Path) -> None:
    """Never one in silence: not for a generic ending, an address in numbers, or a folder of saved pages."""
    for site in (url, str(folder)):
        (problem,) = problems_of(url=site, language="es-419")
        assert problem.startswith("market: missing")
        assert "--market" in problem
    assert Brief(url=str(folder), language="en-GB").market == "GB"


def test_a_stored_brief_loads_with_the_codes_of_its_time() -> None:
    """What an older version took is read as it was, so that its turns are still found."""
    stored = Brief(url=WEB, market="CA").to_json().replace('"CA"', '"UK"').replace('"en"', '"jp"')
    brief = Brief.from_json(stored)
    assert (brief.market, brief.language) == ("UK", "jp")
    assert Brief.from_json(brief.to_json()) == brief


@pytest.mark.parametrize(
    ("code", "names"),
    [("CA-ON", ("Canada", "Ontario")), ("GB", ("United Kingdom", "UK")), ("FR", ("France",))],
)
def test_a_market_is_known_by_its_names(code: str, names: tuple[str, ...]) -> None:
    """Copy for Ontario may say Ontario without a quote."""
    assert market_names(code) == names
