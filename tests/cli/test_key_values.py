"""--set and --matrix: what is written there becomes values by one rule, and slips are said in words."""

from __future__ import annotations

from typing import Any

import pytest

from campaign_lab.cli.key_values import matrix, settings


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True), ("false", False), ("True", "True"), ("5", 5), ("-3", -3), ("0", 0), ("0.25", 0.25), ("-1e3", -1000.0),
        ("007", "007"), ("+1", "+1"), ("1.", "1."), (".5", ".5"), ("1e999", "1e999"), ("NaN", "NaN"), ("null", "null"),
        ("", ""), ("a=b", "a=b"), (" 5", " 5"), ("été", "été"), ("\u0665", "\u0665"), ("9" * 40, "9" * 40),
    ],
)  # fmt: skip
def test_numbers_and_true_and_false_are_values_and_all_else_is_text(written: str, value: Any) -> None:
    """As JSON writes them; what only looks like a number, or cannot be one exactly, stays as it stands."""
    (found,) = settings([f"key={written}"]).values()
    assert found == value
    assert type(found) is type(value)


def test_a_matrix_is_a_list_a_key_and_quotes_hold_a_comma() -> None:
    """The values keep their order; spaces around them go."""
    assert matrix(['angle=Calm, "Fast, but kind",5', "model=a"]) == {
        "angle": ("Calm", "Fast, but kind", 5),
        "model": ("a",),
    }
    assert matrix(["flag=true,1"]) == {"flag": (True, 1)}


@pytest.mark.parametrize(
    ("option", "pairs", "says"),
    [
        (settings, ["steer"], "--set: 'steer' has no \"=\"; expected key=value"),
        (settings, ["a=1", "a=2"], "--set: 'a' is given twice"),
        (settings, ["=1"], "is no name of a parameter"),
        (settings, ["a b=1"], "'a b' is no name of a parameter"),
        (matrix, ["briefs.csv"], "BRIEFS stands before the options"),
        (matrix, ["a=1", "a=2"], "give its values in one list, such as a=v1,v2"),
        (matrix, ["a="], "has an empty value"),
        (matrix, ["a=1,,2"], "has an empty value"),
        (matrix, ["a=x,y,x"], "'x' twice"),
        (matrix, ['a="x'], "cannot be read"),
    ],
)
def test_slips_are_said_in_words(option: Any, pairs: list[str], says: str) -> None:
    """The option, what was written, and what is expected."""
    with pytest.raises(ValueError, match=r"^--(set|matrix): ") as caught:
        option(pairs)
    assert says in str(caught.value)
