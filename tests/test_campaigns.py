"""Whole campaigns, through the real CLI: what they claim stands on the pages, and they are fit to run."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest
import regex
from rapidfuzz.fuzz import token_set_ratio

from campaign_lab import Brief, Lab
from campaign_lab.checks import limit_of, quote_stands
from campaign_lab.pages import Page
from campaign_lab.records import Angle, CopyVariant, Evidence, Record
from campaign_lab.rehearsal.endpoint import REVISION
from campaign_lab.store import queries
from support.labs import MakeLab
from support.paths import BRIEFS, ROOT
from support.web.odd_sites import odd_site

pytestmark = pytest.mark.usefixtures("slow")
NEAR_DUPLICATE = 85
ODD_SEEDS = (3, 8, 14)
FINGERPRINTS = ROOT / "tests" / "fingerprints.toml"


@dataclass(frozen=True)
class Campaign:
    """What a run left behind: its records, the text of its stored pages by url, and what it said to be missing."""

    records: tuple[Record, ...]
    texts: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def variants(self) -> list[CopyVariant]:
        """The advertisement texts."""
        return [record for record in self.records if isinstance(record, CopyVariant)]

    @property
    def angles(self) -> list[Angle]:
        """The angles."""
        return [record for record in self.records if isinstance(record, Angle)]


def _unsupported(campaign: Campaign) -> list[str]:
    """Quotes that are not on their page, or are not marked as what they are."""
    quotes = [each for record in campaign.records for each in record.evidence_in()]
    return [
        each.quote
        for each in quotes
        if not each.supported or not quote_stands(each.quote, campaign.texts.get(each.url, ""))
    ]


def _broken_limits(campaign: Campaign) -> list[str]:
    """Fields longer than the default limit, in graphemes."""
    fields = ("headline", "primary_text", "description")
    return [
        getattr(variant, name)
        for variant in campaign.variants
        for name in fields
        if len(regex.findall(r"\X", getattr(variant, name))) > limit_of(name)
    ]


def _near_duplicates(campaign: Campaign) -> list[tuple[str, str]]:
    """Pairs of texts that say nearly the same, among headlines and among primary texts."""
    several = ([v.primary_text for v in campaign.variants], [v.headline for v in campaign.variants])
    pairs = [pair for texts in several for pair in itertools.combinations(texts, 2)]
    return [pair for pair in pairs if token_set_ratio(pair[0].lower(), pair[1].lower()) >= NEAR_DUPLICATE]


def _repeated_motivations(campaign: Campaign) -> list[str]:
    """Motivations that more than one angle has."""
    named = [angle.motivation for angle in campaign.angles]
    return [name for name in named if named.count(name) > 1]


MEASURES: dict[str, Callable[[Campaign], Sequence[object]]] = {
    "unsupported quotes": _unsupported,
    "broken limits": _broken_limits,
    "near duplicates": _near_duplicates,
    "repeated motivations": _repeated_motivations,
}


def _campaign(lab: Lab, brief: Brief) -> Campaign:
    session = lab.session(brief)
    turns = [lab.run_sync(session.run("research")), lab.run_sync(session.run("strategy"))]
    if session.records("angle"):
        turns.append(lab.run_sync(session.run("copy")))
    assert not [kept for turn in turns for kept in turn.kept if kept.degraded]
    rows = lab._context.engine.call(lambda con: queries.pages_of(con, [lab.user], brief.campaign))
    pages = [Page.from_json(row.page or "") for row in rows]
    return Campaign(
        tuple(record for turn in turns for record in turn.records),
        {page.url: page.text for page in pages},
        tuple(line for turn in turns for line in turn.missing),
    )


@pytest.fixture(scope="module")
def good(process: None, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The campaign of the mortgage site."""
    with Lab(tmp_path_factory.mktemp("good") / "lab.duckdb", user="ana") as lab:
        return _campaign(lab, Brief.load(BRIEFS / "termwick-renewals.toml"))


@pytest.fixture(scope="module", params=["termwick-renewals", "cairnwold-autumn", "duewren-trial", "aubrelune-ete"])
def demo(
    process: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Campaign]:
    """The name of a demo brief and its campaign."""
    with Lab(tmp_path_factory.mktemp("demo") / "lab.duckdb", user="ana") as lab:
        return request.param, _campaign(lab, Brief.load(BRIEFS / f"{request.param}.toml"))


def test_a_demo_site_gives_five_angles_and_ten_texts_without_a_fault(demo: tuple[str, Campaign]) -> None:
    """Five motivations, ten variants; no unsupported quote, broken limit, near duplicate; nothing of the planted orders."""
    _, campaign = demo
    assert len({angle.motivation for angle in campaign.angles}) == len(campaign.angles) == 5
    assert len(campaign.variants) == 10
    assert {measure: fails for measure, find in MEASURES.items() if (fails := find(campaign))} == {}
    said = " ".join(record.model_dump_json() for record in campaign.records)
    assert "127.0.0.1" not in said
    assert "steal" not in said


def test_an_answer_that_changes_has_a_new_revision(demo: tuple[str, Campaign]) -> None:
    """A stored turn of this revision is replayed as what the endpoint says now, so the two must be the same."""
    name, campaign = demo
    said = [*(record.model_dump_json() for record in campaign.records), *campaign.missing]
    found = sha256("\n".join(said).encode()).hexdigest()[:16]
    known = tomllib.loads(FINGERPRINTS.read_text(encoding="utf-8"))["rehearsal"]
    advice = f"{name} is now {found}: unless what is sent has changed, raise REVISION in rehearsal/endpoint.py; "
    advice += f"write both into {FINGERPRINTS.name}"
    assert (known["revision"], known["answers"][name]) == (REVISION, found), advice


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("seed", ODD_SEEDS)
def test_an_odd_site_gives_what_it_carries_and_names_the_gaps(seed: int, make_lab: MakeLab, tmp_path: Path) -> None:
    """Whatever the site is like, no measure finds a fault; fewer than five angles are explained."""
    site = tmp_path / f"odd-{seed}"
    for name, html in odd_site(seed).files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(html, encoding="utf-8")
    campaign = _campaign(make_lab(), Brief(url=str(site), market="CA"))
    assert {measure: fails for measure, find in MEASURES.items() if (fails := find(campaign))} == {}
    assert len(campaign.angles) == 5 or campaign.missing


def _with(campaign: Campaign, *records: Record) -> Campaign:
    return replace(campaign, records=(*campaign.records, *records))


def _invented(campaign: Campaign) -> Campaign:
    claim = campaign.variants[0].claims[0]
    quote = Evidence(quote="Rates guaranteed below every bank", url=claim.evidence[0].url, supported=True)
    lie = claim.model_copy(update={"evidence": (quote,)})
    return _with(campaign, campaign.variants[0].model_copy(update={"claims": (lie,)}))


SPOILED: dict[str, Callable[[Campaign], Campaign]] = {
    "unsupported quotes": _invented,
    "broken limits": lambda good: _with(
        good, good.variants[0].model_copy(update={"headline": "An endless headline " * 3})
    ),
    "near duplicates": lambda good: _with(good, good.variants[0]),
    "repeated motivations": lambda good: _with(good, good.angles[0].model_copy(update={"name": "The same again"})),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_each_measure_fails_on_a_bad_campaign(measure: str, good: Campaign) -> None:
    """A campaign that is spoiled in one way is found by that measure, which found nothing before."""
    assert not MEASURES[measure](good)
    assert MEASURES[measure](SPOILED[measure](good))
