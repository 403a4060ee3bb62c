"""BriefForm: it says what is wrong beside the field, and what it saves is what was meant."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_lab import Brief
from campaign_lab.brief import FILLED_IN, Objective, SpecialAdCategory
from campaign_lab.errors import BriefError
from campaign_lab.panels import BriefForm
from campaign_lab.panels.choosing.brief_toml import fields_of, toml
from support.panel_tools import labels_of
from support.paths import BRIEFS, SITES

TERMWICK = BRIEFS / "termwick-renewals.toml"
GOOD, ONE = "This brief can be used", "1 field needs a look"
HOSTILE = "<img src=x onerror=alert(1)> \x1b[31mred\x1b[0m"

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(str.strip)
PROSE = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)
HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,9}\.example\.org", fullmatch=True)
FIELDS = st.fixed_dictionaries(
    {"url": HOSTS.map("https://{}/a?b=1".format), "market": st.sampled_from(["CA", "CA-ON", "DE-BY"])},
    optional={
        "campaign": WORDS,
        "objective": st.sampled_from(get_args(Objective)),
        "language": st.sampled_from(["en", "fr-CA", "zh-Hant-TW"]),
        "audience": PROSE,
        "competitors": st.lists(HOSTS.map("https://{}".format), max_size=4),
        "special_ad_categories": st.lists(st.sampled_from(get_args(SpecialAdCategory)), max_size=3, unique=True),
        "budget": st.floats(0, 1e12),
        "placements": st.lists(WORDS, max_size=4),
        "allow_private_addresses": st.booleans(),
    },
)


def brief_of(fields: dict[str, Any]) -> Brief:
    """A brief of these fields, with a role because some markets ask for one, and the categories in Meta's order."""
    order = get_args(SpecialAdCategory)
    categories = sorted(fields.get("special_ad_categories", []), key=order.index)
    return Brief(**{**fields, "special_ad_categories": categories, "advertiser_role": "publisher"})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a brief and the sites that it names, relative to it."""
    for site in ("termwick", "brackendeer-trust", "pendlewarth-mortgages"):
        shutil.copytree(SITES / site, tmp_path / "sites" / site)
    (tmp_path / "briefs").mkdir()
    shutil.copy(TERMWICK, tmp_path / "briefs" / "spring.toml")
    return tmp_path


def notes(form: BriefForm) -> dict[str, str]:
    """The messages that are seen, by field."""
    return {name: note.value for name, note in form.notes.items() if note.layout.display != "none"}


@pytest.mark.parametrize("path", sorted(BRIEFS.glob("*.toml")), ids=lambda path: path.stem)
def test_shows_every_field_of_a_file(path: Path) -> None:
    """What was loaded is what the form says, sources included."""
    form = BriefForm(path=path)
    assert form.brief == Brief.load(path)
    assert GOOD in form.status.value
    assert form.fields["url"].value.startswith("../sites/")


def test_an_empty_form_says_what_is_missing() -> None:
    """A new form needs the site, and a market where none can be guessed."""
    form = BriefForm()
    assert list(notes(form)) == ["url"]
    assert "missing" in notes(form)["url"]
    assert ONE in form.status.value
    form.fields["url"].value = "https://shop.example.org"
    assert list(notes(form)) == ["market"]
    form.fields["market"].value = "CA"
    assert GOOD in form.status.value
    assert form.brief == Brief(url="https://shop.example.org", market="CA")


def test_a_guessed_market_is_said_by_its_field_and_not_saved(tmp_path: Path) -> None:
    """The field stays empty, in the form and in the file, so that the market follows the site until it is set."""
    form = BriefForm()
    form.fields["url"].value = "https://shop.co.uk"
    assert "market GB, guessed from .co.uk" in notes(form)["market"]
    assert "⚠" not in notes(form)["market"]
    form.save(tmp_path / "a.toml")
    assert "market" not in (tmp_path / "a.toml").read_text()
    assert BriefForm(path=tmp_path / "a.toml").fields["market"].value == ""
    form.fields["market"].value = "IE"
    assert "market" not in notes(form)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("url", "shop.example.org"), ("market", "XX"), ("language", "Elvish"), ("budget", "much"), ("campaign", "x" * 121),
        ("audience", "x" * 1001), ("competitors", "https://a.example.org\nnowhere"), ("placements", "x" * 121),
    ],
)  # fmt: skip
def test_the_message_stands_by_its_field(name: str, typed: str) -> None:
    """A value that cannot be used is said beside its field while it is typed, and is gone when it is mended."""
    form = BriefForm(path=TERMWICK)
    good = form.fields[name].value
    form.fields[name].value = typed
    assert list(notes(form)) == [name]
    assert "expected" in notes(form)[name]
    assert ONE in form.status.value
    with pytest.raises(BriefError):
        _ = form.brief
    form.fields[name].value = good
    assert notes(form) == {}
    assert GOOD in form.status.value


def test_a_message_does_not_interrupt_who_types() -> None:
    """It changes with each keystroke, so it is announced politely, and never as an alert."""
    form = BriefForm(path=TERMWICK)
    form.fields["market"].value = "Canad"
    assert 'role="status"' in notes(form)["market"]
    assert "alert" not in notes(form)["market"] + form.status.value


def test_counts_the_fields_that_need_a_look() -> None:
    """Two fields, two messages, one sum."""
    form = BriefForm(path=TERMWICK)
    form.fields["market"].value, form.fields["budget"].value = "Canada", "-1"
    assert list(notes(form)) == ["market", "budget"]
    assert "2 fields need a look" in form.status.value


def test_asks_for_the_role_where_the_market_regulates() -> None:
    """Ticking a category that the law regulates asks who speaks, beside the role."""
    form = BriefForm(Brief(url="https://shop.example.org", market="US"))
    form.categories["HOUSING"].value = True
    assert list(notes(form)) == ["advertiser_role"]
    form.fields["advertiser_role"].value = "brokerage"
    assert form.brief.special_ad_categories == ("HOUSING",)
    assert form.brief.advertiser_role == "brokerage"


def test_names_a_missing_folder_as_it_was_typed(project: Path) -> None:
    """The message shows the relative folder, and not where on this machine it would be."""
    form = BriefForm(path=project / "briefs" / "spring.toml")
    form.fields["url"].value = "../sites/elsewhere"
    assert "../sites/elsewhere" in notes(form)["url"]
    assert str(project) not in notes(form)["url"]


@settings(max_examples=25)  # a form is thirty widgets
@given(FIELDS)
def test_the_form_gives_back_the_brief(fields: dict[str, Any]) -> None:
    """Any brief that is put into the form comes out of it unchanged."""
    brief = brief_of(fields)
    assert BriefForm(brief).brief == brief


@given(FIELDS)
def test_toml_gives_back_the_brief(fields: dict[str, Any]) -> None:
    """Any brief that is written as TOML is read back unchanged."""
    brief = brief_of(fields)
    assert Brief(**tomllib.loads(toml(fields_of(brief, Path())))) == brief


def test_saves_folders_relative_to_the_new_file(project: Path) -> None:
    """A brief saved to another folder still finds its sites, and so does one whose whole project has moved."""
    brief = Brief.load(project / "briefs" / "spring.toml")
    form = BriefForm(path=project / "briefs" / "spring.toml")
    target = project / "drafts" / "2027" / "spring.toml"
    target.parent.mkdir(parents=True)
    form.file.value = str(target)
    form.save_button.click()
    assert Brief.load(target) == brief
    assert str(project) not in target.read_text()
    assert form.brief == brief
    assert form.fields["url"].value == "../../sites/termwick"
    moved = project.rename(project.with_name("moved"))
    assert Brief.load(moved / "drafts" / "2027" / "spring.toml").folder_of(brief.url) == moved / "sites" / "termwick"


def test_saving_keeps_comments_and_what_did_not_change(project: Path) -> None:
    """Only the line of the changed field differs in a file that is replaced."""
    path = project / "briefs" / "spring.toml"
    before = path.read_text().splitlines()
    form = BriefForm(path=path)
    form.fields["budget"].value = "7000"
    form.save(path, overwrite=True)
    after = path.read_text().splitlines()
    assert [line for line in after if line not in before] == [
        "budget = 7000.0 # Canadian dollars for media; no prompt shows it"
    ]
    assert len(after) == len(before)


def test_a_file_is_replaced_by_a_second_click_only(project: Path) -> None:
    """The first click says that the file is there and turns into Overwrite; the second one writes."""
    path = project / "briefs" / "spring.toml"
    before = path.read_text()
    form = BriefForm(path=path)
    form.fields["campaign"].value = "Autumn renewals"
    form.save_button.click()
    assert path.read_text() == before
    assert form.save_button.description == "Overwrite"
    assert "exists already" in form.said.value
    form.save_button.click()
    assert Brief.load(path).campaign == "Autumn renewals"
    assert form.save_button.description == "Save"
    assert "Saved to spring.toml" in form.said.value


@pytest.mark.parametrize("changed", ["file", "campaign"])
def test_the_second_click_is_for_what_was_asked(changed: str, project: Path) -> None:
    """When the file's name or a field has changed since the question, it is asked anew."""
    path = project / "briefs" / "spring.toml"
    other = shutil.copy(path, project / "briefs" / "other.toml")
    before = path.read_text()
    form = BriefForm(path=path)
    form.save_button.click()
    field = form.file if changed == "file" else form.fields[changed]
    field.value = str(other)
    assert form.save_button.description == "Save"
    form.save_button.click()
    assert path.read_text() == Path(other).read_text() == before


def test_save_in_code_refuses_too(project: Path) -> None:
    """``save`` replaces no file unless it is told to."""
    form = BriefForm(path=project / "briefs" / "spring.toml")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        form.save(project / "briefs" / "spring.toml")


@pytest.mark.parametrize("name", ["spring.json", "", "no-such-folder/spring.toml"])
def test_says_why_it_cannot_save(name: str, project: Path) -> None:
    """A file that is no TOML or cannot be written is said in plain words; nothing is written."""
    form = BriefForm(path=project / "briefs" / "spring.toml")
    form.file.value = str(project / name) if name else ""
    form.save_button.click()
    assert "file: " in form.problem.value
    assert "should not have happened" not in form.problem.value
    assert "Saved" not in form.said.value


def test_an_unusable_brief_is_not_saved(project: Path) -> None:
    """Save names the field that needs a look, and writes nothing."""
    form = BriefForm(path=project / "briefs" / "spring.toml")
    form.fields["market"].value = "Canada"
    form.file.value = str(project / "new.toml")
    form.save_button.click()
    assert "market" in form.problem.value
    assert not (project / "new.toml").exists()


def test_load_fills_the_form_and_a_bad_file_leaves_it(project: Path) -> None:
    """Load shows another brief; a file that cannot be used is said, and the form stays as it was."""
    form = BriefForm()
    form.file.value = str(project / "briefs" / "spring.toml")
    form.load_button.click()
    assert form.fields["campaign"].value == "Spring renewals"
    (project / "bad.toml").write_text("url = [")
    form.file.value = str(project / "bad.toml")
    form.load_button.click()
    assert "not valid TOML" in form.problem.value
    assert form.brief == Brief.load(project / "briefs" / "spring.toml")


def test_every_control_has_a_label_and_a_hint() -> None:
    """Nothing is without a name, and each field is there, in the brief's order."""
    form = BriefForm()
    named = labels_of(form)
    assert all(label and hint for label, hint in named)
    assert set(form.fields) | {"special_ad_categories"} == set(Brief.model_fields) - set(FILLED_IN)
    labels = [label for label, _ in named]
    boxes = [label for label in labels if label.startswith("Special ad category: ")]
    assert len(boxes) == len(get_args(SpecialAdCategory))
    assert labels[:3] == ["Site", "Campaign", "Objective"]
    assert labels[-3:] == ["Brief file", "Load", "Save"]


def test_what_is_saved_holds_no_path(project: Path) -> None:
    """The twin shows the brief's fields with the made-up addresses, the line its campaign."""
    form = BriefForm(path=project / "briefs" / "spring.toml")
    bundle = form._repr_mimebundle_()
    assert bundle["text/plain"] == "BriefForm(Spring renewals)"
    assert "https://termwick.example/" in bundle["text/html"]
    assert "Financial products services" in bundle["text/html"]
    assert str(project) not in bundle["text/html"]
    assert "../sites" not in bundle["text/html"]


def test_hostile_texts_stay_texts() -> None:
    """Tags and control characters in a brief reach neither the twin nor a message as such."""
    form = BriefForm(Brief(url="https://shop.example.org", market="CA", campaign=HOSTILE, audience=HOSTILE))
    form.fields["market"].value = form.fields["competitors"].value = HOSTILE
    shown = "".join([form.twin(), form.status.value, form.said.value, *notes(form).values()])
    assert len(notes(form)) == 2
    assert "<img" not in shown
    assert "\x1b" not in shown + form.line()
    assert "&lt;img src=x" in form.twin()
