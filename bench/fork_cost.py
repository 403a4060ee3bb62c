"""What a fork costs, as a share of a fixed sum: warm, cold, several at once, behind an anchor, and replayed.

Three agents read three pages of about 6,200 tokens each, and two rivals' short ones. Real SDK and CLI, rehearsal endpoint,
list prices of the model with which the bars were set. Time is a clock that the bench moves, so that nothing waits for a cache to
age.

The barred turn hands in two angles, about 1,200 tokens, which is the length of answer that the bars were measured with. The
whole strategy of five angles has a bar of its own: most of its cost is its own words, which are as dear without a fork.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from campaign_lab import Brief, Lab
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.sessions.fan_out import FanOut
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries
from campaign_lab.store.rows import PageRow, RequestRow

FORKS = 5
MODEL = "claude-sonnet-4-6"
"""The model with which the bars were set."""
OUTPUT_USD = 15 / 1e6
"""A token of its answer, at list price."""
RESEARCH_USD = 0.5875
"""What the research of this bench cost at 4516828, the version with which the bars were set. It is cheaper today, and a share of
what it costs today would say less of a fork the more is saved on research."""
WARM, COLD_5M, COLD_1H, ANCHORED = 0.0604, 0.15, 0.20, 0.09
STRATEGY = 0.1106
"""The bar for the whole strategy of five angles in a warm fork: $0.065."""
TWO_ANGLES = replace(builtin_phases()["strategy"], name="two angles", arguments={"count": 2})
PAST_5M, PAST_1H = timedelta(minutes=6), timedelta(minutes=61)
PAGE_CHARACTERS = 22_500
"""Text of a long page; with what an agent is given beside the text, its JSON is about 6,200 tokens."""


@dataclass
class Clock:
    """The time of the lab and of the endpoint. It stands until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 7, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        """The time."""
        return self.now


class ShortCache(RehearsalEndpoint):
    """The rehearsal endpoint, with the main conversation cached for five minutes instead of an hour."""

    def env(self) -> Mapping[str, str]:
        """The endpoint's variables win over the workplace's."""
        return {**super().env(), "CLAUDE_CODE_PROMPT_CACHE_TTL": "5m"}


@dataclass
class Bench:
    """A researched session, what its research cost, and the shares that were over their bar."""

    lab: Lab
    base: Session
    clock: Clock
    research_usd: float
    over: list[str] = field(default_factory=list)

    def say(self, name: str, share: float, bar: float, note: str) -> None:
        """One figure line."""
        print(f"{name}: {share:.1%} of ${RESEARCH_USD} (bar {bar:.1%})")
        print(f"  {note}")
        if share > bar:
            self.over.append(name)

    def fork(self, purpose: str) -> Session:
        """A fork of the research."""
        return self.base.fork(purpose, at="research")

    def paid(self, session: Session) -> float:
        """US dollars of the session's newest turn."""
        cost = session.turns()[-1].receipt.cost_usd
        assert cost is not None
        return cost


def main() -> int:
    """Prints one line a figure; 1 when one is over its bar."""
    over: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        brief = site(Path(folder) / "sites")
        for life, endpoint in (("1h", RehearsalEndpoint), ("5m", ShortCache)):
            path = Path(folder) / f"{life}.duckdb"
            with _researched(path, brief, endpoint) as bench:
                _describe(bench, life)
                (_hour if life == "1h" else _five_minutes)(bench)
                over += bench.over
        replayed = _replayed(Path(folder) / "1h.duckdb", brief)
    return 1 if over or not replayed else 0


def _hour(bench: Bench) -> None:
    warm = bench.fork("The first angle")
    bench.lab.run_sync(warm.run(TWO_ANGLES.name))
    bench.say("warm fork", bench.paid(warm) / RESEARCH_USD, WARM, _cache_note(bench, warm))
    together = [bench.fork(f"Angle {n} of several at once") for n in range(FORKS)]
    _all(bench, together)
    dearest = max(together, key=bench.paid)
    note = f"the dearest of them: {_cache_note(bench, dearest)}"
    bench.say(f"{FORKS} warm forks at once", bench.paid(dearest) / RESEARCH_USD, WARM, note)
    whole = bench.fork("Five angles")
    bench.lab.run_sync(whole.run("strategy"))
    share = bench.paid(whole) / RESEARCH_USD
    bench.say("the whole strategy of five angles, warm", share, STRATEGY, _cache_note(bench, whole))
    _cold(bench, "1h", PAST_1H, COLD_1H)
    _anchored(bench, "1h", PAST_1H)


def _five_minutes(bench: Bench) -> None:
    warm = bench.fork("The first angle")
    bench.lab.run_sync(warm.run(TWO_ANGLES.name))
    bench.say("warm fork, 5m cache", bench.paid(warm) / RESEARCH_USD, WARM, _cache_note(bench, warm))
    _cold(bench, "5m", PAST_5M, COLD_5M)
    _anchored(bench, "5m", PAST_5M)


def _cold(bench: Bench, life: str, past: timedelta, bar: float) -> None:
    bench.clock.now += past
    fork = bench.fork(f"Cold with a cache of {life}")
    bench.lab.run_sync(fork.run(TWO_ANGLES.name))
    bench.say(f"cold fork, {life} cache", bench.paid(fork) / RESEARCH_USD, bar, _cache_note(bench, fork))


def _anchored(bench: Bench, life: str, past: timedelta) -> None:
    bench.clock.now += past
    forks = [bench.fork(f"Anchored angle {n}, {life}") for n in range(FORKS)]
    fan_out = _all(bench, forks)
    anchors = {turn.key: turn for fork in forks for turn in fork.turns() if turn.phase == "anchor"}
    assert len(anchors) == 1, fan_out.notes
    (anchor,) = anchors.values()
    own = sum(bench.paid(fork) for fork in forks)
    share = (own + (anchor.receipt.cost_usd or 0.0)) / FORKS / RESEARCH_USD
    note = f"the anchor ${anchor.receipt.cost_usd:.4f}, a fork behind it ${own / FORKS:.4f}: {_cache_note(bench, forks[-1])}"
    bench.say(
        f"{FORKS} forks after the end of a {life} cache, each with its share of the anchor", share, ANCHORED, note
    )


def _all(bench: Bench, forks: list[Session]) -> FanOut:
    fan_out = bench.lab.run_sync(bench.lab.run_all(forks, TWO_ANGLES.name))
    assert not fan_out.failed, fan_out.failed
    return fan_out


@contextmanager
def _researched(path: Path, brief: Brief, endpoint: type[RehearsalEndpoint]) -> Iterator[Bench]:
    clock = Clock()
    with Lab(path, user="bench", model=MODEL, endpoint=endpoint(now=clock), now=clock, phases=[TWO_ANGLES]) as lab:
        base = lab.session(brief)
        turn = lab.run_sync(base.run("research"))
        assert turn.receipt.cost_usd is not None
        yield Bench(lab, base, clock, turn.receipt.cost_usd)


def _describe(bench: Bench, life: str) -> None:
    pages = _rows(bench, PageRow, "WHERE error IS NULL")
    from campaign_lab.pages import Page
    from campaign_lab.pages.agent_view import page_for_agent

    sizes = sorted(len(page_for_agent(Page.from_json(row.page))) // 4 for row in pages)
    (receipt,) = [turn.receipt for turn in bench.base.turns()]
    said = {line.agent: line for line in receipt.lines}
    print(
        f"research with a cache of {life}: ${bench.research_usd:.4f}, {sum(line.requests for line in said.values())} requests"
    )
    print(f"  pages as agents see them: {', '.join(f'{size:,}' for size in sizes)} tokens")
    for agent, line in said.items():
        tokens = line.input_tokens + line.cache_read_tokens + line.cache_write_tokens
        print(f"  {agent}: {tokens:,} tokens in, {line.output_tokens:,} out, ${line.cost_usd:.4f}")


def _cache_note(bench: Bench, session: Session) -> str:
    """How the turn's first request met the cache, and where its money went."""
    turn = session.checkpoint().turn_id
    requests = _rows(bench, RequestRow, "WHERE attempt_id = ? ORDER BY n", turn)
    first = requests[0]
    written = first.cache_write_5m_tokens + first.cache_write_1h_tokens
    whole = first.input_tokens + first.cache_read_tokens + written
    said = sum(row.output_tokens for row in requests)
    return (
        f"${bench.paid(session):.4f}; its first request read {first.cache_read_tokens:,} of {whole:,} tokens from the cache and "
        f"wrote {written:,}; {len(requests)} requests, {said:,} tokens out (${said * OUTPUT_USD:.4f})"
    )


def _rows(bench: Bench, table: type, rest: str, *values: object) -> list:
    return bench.lab._context.engine.call(lambda con: queries.select(con, table, rest, values))


REPLAY = """
import json, socket, sys
started, opened = [], []
def hook(event, args):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system"):
        started.append(event)
    if event == "socket.__new__" and args[1] in (socket.AF_INET, socket.AF_INET6):
        opened.append(str(args[1]))
    if event in ("socket.connect", "socket.bind") and isinstance(args[1], tuple):
        opened.append(str(args[1]))
sys.addaudithook(hook)
import psutil
from campaign_lab import Brief, Lab
with Lab(sys.argv[1], user="bench", on_miss="refuse", session_ttl="100w") as lab:
    base = lab.session(Brief.from_json(sys.argv[2]))
    turns = [lab.run_sync(base.run("research")), lab.run_sync(base.fork("Five angles", at="research").run("strategy"))]
    children = len(psutil.Process().children(recursive=True))
paid = sum(turn.receipt.paid_usd for turn in turns)
print(json.dumps({"replayed": all(turn.replayed for turn in turns), "paid": paid, "started": started, "opened": opened,
                  "children": children, "sdk": "claude_agent_sdk" in sys.modules}))
"""


def _replayed(path: Path, brief: Brief) -> bool:
    """Research and a fork's strategy once more, in a process that notes what it starts and opens."""
    command = [sys.executable, "-c", REPLAY, str(path), brief.to_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    started, opened = len(seen["started"]) + seen["children"], len(seen["opened"])
    print(f"replay: ${seen['paid']:.2f}, {started} processes started, {opened} network sockets opened (bar 0, 0 and 0)")
    if seen["started"] or seen["opened"]:
        print(f"  {seen['started'] + seen['opened']}")
    return bool(seen["replayed"]) and not (seen["paid"] or started or opened or seen["sdk"])


# -- a site with long pages


THINGS = (
    "kettle",
    "teapot",
    "stove-top pan",
    "coffee pot",
    "milk pan",
    "stock pot",
    "casserole",
    "frying pan",
    "lid",
    "handle",
)
WHO = (
    "our enamel shop",
    "the repair bench",
    "a fitter in Hexham",
    "the night shift",
    "our two glaziers",
    "the packing hall",
)
DOES = ("fires", "checks", "measures", "repairs", "numbers", "polishes", "ships", "weighs", "signs", "packs")
WHY = (
    "so that it never chips on a gas hob", "because a thin base warps after one winter", "before it may leave the workshop",
    "so that a spare part fits ten years later", "because nobody wants to buy the same thing twice", "and writes the date on it",
    "so that you can cook on induction and on an open fire", "because limescale ruins a cheap spout in months",
)  # fmt: skip
WORRIES = (
    "Many people are afraid that enamel chips", "You may worry about what a repair costs",
    "It is annoying when a handle gets hot", "Most cooks are tired of pans that last two years",
    "We know how it feels to burn milk on a thin base",
)  # fmt: skip
PEOPLE = ("Maren T.", "Oswin P.", "Ilse K.", "Tomos R.", "Petra V.", "Hal B.")
PAGES = {
    "index.html": ("Cookware that is made to be mended", "From the works"),
    "repairs.html": ("Repairs, spare parts and the ten-year promise", "From the repair bench"),
    "prices.html": ("Prices, delivery and returns", "From the packing hall"),
}


def site(folder: Path) -> Brief:
    """Writes a brand's site of three long pages and two rivals of one short page each; the brief for them."""
    chance = random.Random(20261122)
    brand = folder / "thornwick-enamel"
    brand.mkdir(parents=True)
    for name, (title, series) in PAGES.items():
        (brand / name).write_text(_page(chance, title, series=series, characters=PAGE_CHARACTERS), encoding="utf-8")
    rivals = []
    for name, title in (("halden-pots", "Pots for every kitchen"), ("brightpan", "Bright pans, low prices")):
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(
            _page(chance, title, series="News", characters=1_200), encoding="utf-8"
        )
        rivals.append(str(folder / name))
    audience = "People who cook at home most days and would rather mend a good pot than buy a cheap one again."
    return Brief(
        url=str(brand),
        competitors=rivals,
        campaign="Mended, not replaced",
        market="GB",
        language="en-GB",
        audience=audience,
    )


def _page(chance: random.Random, title: str, *, series: str, characters: int) -> str:
    links = "".join(
        f'<a href="{"./" if name == "index.html" else name}">{text}</a>'
        for name, (text, _) in PAGES.items()
        if characters > 5_000
    )
    parts, length, number = [f"<h1>{title}</h1>"], 0, 0
    while length < characters:
        number += 1
        told = " ".join(_sentence(chance, number) for _ in range(6))
        parts.append(f"<h2>{series}, part {number}</h2>\n<p>{told}</p>" if number % 3 == 1 else f"<p>{told}</p>")
        length += len(told)
    quotes = "".join(
        f"<blockquote>The {chance.choice(THINGS)} came back in {chance.randint(3, 20)} days and looks like new.<cite>{who}</cite>"
        "</blockquote>" for who in PEOPLE
    )  # fmt: skip
    head = f'<meta charset="utf-8"><title>{title}</title><meta name="description" content="{title}, from Hexham.">'
    body = (
        f"<nav>{links}</nav><main>{''.join(parts)}<section>{quotes}</section><button>Order a spare part</button></main>"
    )
    return f'<!doctype html><html lang="en-GB"><head>{head}</head><body>{body}</body></html>'


def _sentence(chance: random.Random, number: int) -> str:
    thing, who, does, why = (chance.choice(words) for words in (THINGS, WHO, DOES, WHY))
    forms = (
        f"In week {number} {who} {does} every {thing} {why}.",
        f"Each {thing} costs £{chance.randint(18, 190)} and {who} {does} it {why}.",
        f"{chance.choice(WORRIES)}, which is why {who} {does} each {thing} {why}.",
        f"A {thing} from us is covered for {chance.randint(5, 25)} years, and {who} {does} it {why}.",
        f"We reply within {chance.randint(2, 48)} hours, and {who} {does} the {thing} {why}.",
    )
    return chance.choice(forms)


if __name__ == "__main__":
    sys.exit(main())
