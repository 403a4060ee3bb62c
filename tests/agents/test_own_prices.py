"""A price table of one's own: it counts before the built-in list, and a wrong one is said at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.agents.endpoints import remote_endpoint
from campaign_lab.agents.prices import VARIABLE, TokenUsage, own_prices, price_usd

SONNET, LOCAL = "claude-sonnet-4-5-20250929", "llama3.2:3b"
TABLE = """
["claude-sonnet-4-5-20250929"]
input = 1
output = 2.0
cache_read = 0.25
cache_write_5m = 4.0
cache_write_1h = 8.0
source = "contract of March"
checked_on = 2026-11-20
"""
ONE_EACH = TokenUsage(1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000)
FREE = dict.fromkeys(("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"), 0.0)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the environment names, with one model in it."""
    path = tmp_path / "prices.toml"
    path.write_text(TABLE, encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_the_table_in_the_environment_counts_before_the_list(table: Path) -> None:
    """Each kind of token costs what the table says."""
    assert price_usd(SONNET, ONE_EACH) == pytest.approx(1 + 2 + 0.25 + 4 + 8)


def test_models_that_are_not_in_the_table_keep_their_price(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list still knows them, and what nobody knows stays unknown."""
    with_table = price_usd("claude-haiku-4-5", ONE_EACH), price_usd(LOCAL, ONE_EACH)
    monkeypatch.delenv(VARIABLE)
    assert with_table == (price_usd("claude-haiku-4-5", ONE_EACH), None)
    assert with_table[0] is not None


@pytest.mark.usefixtures("table")
def test_a_table_says_where_its_prices_are_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of what day they are; without the variable there is none."""
    prices = own_prices()
    assert (prices[SONNET].source, prices[SONNET].checked_on) == ("contract of March", date(2026, 11, 20))
    monkeypatch.delenv(VARIABLE)
    assert own_prices() == {}


def test_a_model_of_ones_own_machine_can_be_free(table: Path) -> None:
    """Zero because somebody said so is zero, and not unknown."""
    free = "\n".join(f"{kind} = {price}" for kind, price in FREE.items())
    said = f'["{LOCAL}"]\n{free}\nsource = "own machine"\nchecked_on = 2026-11-20\n'
    table.write_text(said, encoding="utf-8")
    assert price_usd(LOCAL, ONE_EACH) == 0.0


def test_a_changed_table_counts_from_then_on(table: Path) -> None:
    """Nobody has to start again."""
    before = price_usd(SONNET, TokenUsage(input_tokens=1_000_000))
    table.write_text(TABLE.replace("input = 1\n", "input = 7.5\n"), encoding="utf-8")
    assert (before, price_usd(SONNET, TokenUsage(input_tokens=1_000_000))) == (1.0, 7.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TABLE.replace("input = 1\n", ""), "input: Field required"),
        (TABLE.replace("input = 1", "input = -1"), "input: Input should be greater than or equal to 0"),
        (TABLE.replace("input = 1", "input = nan"), "input: Input should be a finite number"),
        (TABLE.replace("input = 1", 'input = "3"'), "input: Input should be a valid number"),
        (TABLE.replace("input = 1", "inputs = 1"), "inputs: Extra inputs are not permitted"),
        (TABLE.replace("2026-11-20", '"last week"'), "checked_on: Input should be a valid date"),
        (
            TABLE.replace('source = "contract of March"', 'source = ""'),
            "source: String should have at least 1 character",
        ),
        ("[llama3.2]\ninput = 1\n", "llama3.input: Field required"),
        ("input = 3.0\n", "input: Input should be a valid dictionary"),
        ("this is not toml", "it is no TOML file"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(table: Path, text: str, says: str) -> None:
    """The error names the file, the field and what is expected."""
    table.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be used") as caught:
        own_prices()
    assert says in str(caught.value)
    assert repr(str(table)) in str(caught.value)
    assert "cache_write_1h" in str(caught.value)
    assert VARIABLE in str(caught.value)


@pytest.mark.parametrize("where", ["nowhere.toml", "."])
def test_a_table_that_cannot_be_read_is_said(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file and a folder alike."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / where))
    with pytest.raises(ValueError, match="it cannot be read"):
        own_prices()


def test_a_wrong_table_stops_a_paid_turn_before_it_is_sent(table: Path) -> None:
    """An endpoint that costs money does not start with prices that nobody can read."""
    table.write_text("", encoding="utf-8")
    remote_endpoint("http://127.0.0.1:9").start()
    table.write_text("oops", encoding="utf-8")
    with pytest.raises(ValueError, match="it is no TOML file"):
        remote_endpoint("http://127.0.0.1:9").start()


def test_a_table_that_goes_bad_in_the_middle_stops_no_booking(table: Path) -> None:
    """The price is then unknown; it is neither 0 nor the list's."""
    table.unlink()
    assert price_usd(SONNET, ONE_EACH) is None


@given(st.binary(max_size=60))
def test_any_file_is_a_table_or_an_error_of_ours(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """No other error gets out."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, str(path))
            read, why = dict(own_prices()), "cannot be used"
    except ValueError as error:
        read, why = {}, str(error)
    assert read == {}
    assert "cannot be used" in why
