"""What the terminal shows: progress while a turn runs, then the campaign. Everything goes through rich, markup off."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from campaign_lab.agents.events import AgentLine, Board, DeadTurnBooked, Event, TurnStarted
from campaign_lab.cli.terminal.live_lines import LiveLines
from campaign_lab.cli.terminal.printing import console as results_console
from campaign_lab.cli.terminal.printing import plain
from campaign_lab.money import Sum
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.show.text import and_take

SAID = ("thinking", "done", "failed")
"""States of an agent that are worth a line where nothing can be redrawn."""
STYLES = {"done": "green", "failed": "red", "waiting": "dim"}


class Progress(LiveLines):
    """Live lines on stderr: one an agent. On a terminal they are redrawn, elsewhere each change of state is a line."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._board = Board()
        self._said: set[str] = set()

    def hear(self, event: Event) -> None:
        """Takes in one event. Called from the agents' thread."""
        if isinstance(event, TurnStarted):
            self._since = time.monotonic()
            self._said.clear()
        self._board = self._board.after(event)
        if isinstance(event, DeadTurnBooked):
            self._console.print(plain(event.words, style="yellow"), soft_wrap=True)
        if not self._console.is_terminal:
            self._say_changes()

    def turn_done(self, turn: Turn) -> None:
        """Leaves one line for a finished turn."""
        how = "replayed, nothing paid" if turn.replayed else f"done in {time.monotonic() - self._since:.1f} s"
        if turn.forked:
            how += "; the session had gone on differently, so a fork was made for it"
        self._board = Board()
        self._console.print(plain(f"{turn.phase}{and_take(turn.take)}: {how}", style="green"))

    def __rich__(self) -> Group | Text:
        """The board as it stands."""
        board = self._board
        if not board.phase or board.ended:
            return plain(board.note or "starting …", style="dim")
        elapsed = time.monotonic() - self._since
        head = plain(f"{board.phase}  {elapsed:.0f} s  {board.tokens:,} tokens  {board.cost}", style="bold")
        table = Table.grid(padding=(0, 2))
        for line in board.lines.values():
            table.add_row(
                plain(f"  {_name(line)}"), plain(line.words(), style=STYLES.get(line.state, "cyan")),
                plain(f"{line.tokens:,} tokens", style="dim"),
            )  # fmt: skip
        return Group(head, table, plain(board.note, style="yellow")) if board.note else Group(head, table)

    def _say_changes(self) -> None:
        """Without a terminal: each new state of an agent once. Why a turn failed is the command's to say."""
        board = self._board
        lines = [f"{_name(line)}: {line.state}" for line in board.lines.values() if line.state in SAID]
        for text in [*lines, "" if board.ended else board.note]:
            if text and text not in self._said:
                self._said.add(text)
                self._console.print(plain(f"  {board.phase}: {text}" if board.phase else f"  {text}"), soft_wrap=True)


def _name(line: AgentLine) -> str:
    """The agent, with the main agent's name for its job where that says more."""
    return line.agent if line.label in ("", line.agent.replace("-", " ")) else f"{line.agent} · {line.label}"


def print_campaign(result: Mapping[str, Any], turns: Sequence[Turn]) -> None:
    """The campaign on stdout: brand, angles, copy, what is missing, receipt."""
    console = results_console()
    records = result["records"]
    title = f"{result['session']['campaign']} · {result['session']['url']} · {result['endpoint']}"
    console.print(plain(f"\n{title}", style="bold"))
    if result["endpoint"].startswith("rehearsal"):
        console.print(
            plain(
                "Rehearsal: texts are extracted and composed without a model. Use them to learn and to test.",
                style="yellow",
            )
        )
    for brand in records["brand_profile"]:
        console.print(_brand(brand))
    if records["angle"]:
        console.print(_angles(records["angle"]))
    if records["copy_variant"]:
        console.print(_copy(records["copy_variant"]))
    if result["missing"]:
        console.print(plain("\nMissing", style="bold"))
        for line in result["missing"]:
            console.print(plain(f"  - {line}"))
    _problems(console, records)
    _receipt(console, result["receipt"], turns)


def _brand(brand: Mapping[str, Any]) -> Text:
    if brand["degraded"]:
        return Text("\nThe brand profile could not be validated; its raw text is kept.", style="yellow")
    voice = ", ".join(brand["voice"]["traits"])
    proofs = [claim["text"] for claim in (*brand["proofs"], *brand["offers"])][:3]
    lines = [f"\n{brand['name']}: {brand['promise']['text']}", f"Voice: {voice}", *(f"- {proof}" for proof in proofs)]
    return plain("\n".join(lines))


def _angles(angles: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=f"{len(angles)} angles", title_justify="left", show_lines=True)
    for name in ("angle", "motivation", "idea", "leans on"):
        table.add_column(name, overflow="fold")
    for angle in angles:
        leans = "; ".join(proof["claim"]["text"] for proof in angle.get("proofs", []))
        cells = (
            angle.get("name", "?"),
            angle.get("motivation", "").replace("_", " "),
            angle.get("core_angle", ""),
            leans,
        )
        table.add_row(*(plain(str(cell)) for cell in cells))
    return table


def _copy(variants: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=f"{len(variants)} copy variants", title_justify="left", show_lines=True)
    for name in ("angle", "headline", "primary text", "description", "button", "quotes"):
        table.add_column(name, overflow="fold")
    for variant in variants:
        evidence = variant["evidence"]
        stands = f"{sum(bool(each['supported']) for each in evidence)} of {len(evidence)} stand" if evidence else "-"
        button = variant.get("call_to_action", "").replace("_", " ").capitalize()
        cells = [variant.get(name, "?") for name in ("angle", "headline", "primary_text", "description")]
        table.add_row(*(plain(str(cell)) for cell in (*cells, button, stands)))
    return table


def _problems(console: Console, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """What was wrong with a record and stayed so after it was mended twice."""
    faulty = [(kind, record) for kind, several in records.items() for record in several if record["problems"]]
    for kind, record in faulty:
        for problem in record["problems"]:
            console.print(plain(f"! {kind.replace('_', ' ')} {record['id']}: {problem}", style="yellow"))


def _receipt(console: Console, receipt: Mapping[str, Any], turns: Sequence[Turn]) -> None:
    table = Table(title="receipt", title_justify="left")
    for name in ("phase", "agent"):
        table.add_column(name)
    for name in ("requests", "fresh in", "cache read", "cache written", "out", "US$"):
        table.add_column(name, justify="right")
    for line in receipt["lines"]:
        counts = [
            line[name]
            for name in ("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
        ]
        table.add_row(
            f"{line['phase']}{and_take(line['take'])}",
            line["agent"],
            *(f"{count:,}" for count in counts),
            str(Sum.stored(line["cost_usd"], line["unpriced_requests"])),
        )
    console.print(table)
    for turn in turns:
        if turn.receipt.cache and not turn.replayed:
            cache, carried = turn.receipt.cache, turn.receipt.avoided
            console.print(
                plain(
                    f"{turn.phase}: carries {carried} of earlier turns; cache {cache.state}, {cache.reason}",
                    style="dim",
                )
            )
    if receipt["cut_requests"]:
        console.print(
            plain(f"{receipt['cut_requests']} requests were cut; what they cost is not known.", style="yellow")
        )
    if turns and len(receipt["replayed"]) == len(turns):
        cost = Sum.stored(receipt["cost"], receipt["unpriced_requests"])
        console.print(plain(f"Replayed: nothing was sent and nothing paid. It once cost {cost}.", style="green"))
        if ages := [turn.pages_read_at for turn in turns if turn.pages_read_at]:
            console.print(plain(f"Its pages were read on {min(ages):%Y-%m-%d %H:%M} UTC."))
    else:
        replayed = f" ({', '.join(receipt['replayed'])} replayed for nothing)" if receipt["replayed"] else ""
        whole = Sum.stored(receipt["paid"], receipt["paid_unpriced_requests"])
        price = f"Costs {whole.words(' at list price')}; rehearsal, so nothing was paid"
        paid = price if receipt["rehearsal"] else f"Paid {whole}"
        console.print(plain(f"{paid}{replayed}. A second run replays for $0."))
