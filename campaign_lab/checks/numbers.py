"""The numbers in a text with their scale, their sign and what they measure: "$2.3 million", "10k", "two weeks"."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import NamedTuple

from campaign_lab.checks.folding import fold
from campaign_lab.checks.words import words


class Quantity(NamedTuple):
    """A number, what it measures ("" when no unit follows), and where it stands in the folded text."""

    number: str
    unit: str
    start: int
    end: int


_SIGNS = {"percent": "%", "per cent": "%"}


def numbers_in(text: str) -> frozenset[str]:
    """The numbers in a text, each with its sign: "4.19%", "29$", "36". "$2.3 million" is "2300000$".

    Words from "two" upwards count, "half", "dozen" and plurals such as "millions" too.
    """
    return frozenset(quantity.number for quantity in quantities_in(text))


def measures_in(text: str) -> frozenset[tuple[str, str]]:
    """The numbers that measure something, each with its unit: "within 2 hrs" has ("2", "hour")."""
    return frozenset((quantity.number, quantity.unit) for quantity in quantities_in(text) if quantity.unit)


def measures_held(text: str) -> frozenset[tuple[str, str]]:
    """The measures of a quote, and its bare numbers with each unit that it names elsewhere: "Monthly fee: $29" is $29 a month."""
    quantities = quantities_in(text)
    spelled = {words().units.get(word) for word in re.findall(r"[^\W\d_]+", fold(text).lower())} - {None}
    named = {(each.number, unit) for each in quantities if not each.unit for unit in spelled if unit}
    return frozenset((each.number, each.unit) for each in quantities if each.unit) | named


def quantities_in(text: str) -> list[Quantity]:
    """Each number in a text with its unit, in reading order. Places are those in the folded text."""
    found = []
    for match in _pattern().finditer(fold(text)):
        value = match["plural"] and match["plural"].lower()
        value = value or (_of_digits(match) if match["digits"] else _of_words(match))
        if value is not None:
            found.append(Quantity(value, "" if match["plural"] else _unit(match), match.start(), match.end()))
    return found


def _of_digits(match: re.Match[str]) -> str:
    digits = re.sub(r"[', ](?=\d{3}\b)", "", match["digits"])
    after = (match["after"] or "").strip().lower()
    sign = (match["before"] or "").strip() or _SIGNS.get(after, after)
    scale = match["scale"] or match["suffix"] or match["money_suffix"] or ""
    return (_times(digits.replace(",", "."), _factor(scale)) if scale else digits) + sign


def _of_words(match: re.Match[str]) -> str | None:
    """The value of number words. None for "one" alone, which is more often no number."""
    known = words()
    scale = match["word_scale"] or match["half_scale"] or match["alone"] or ""
    base = Decimal("0.5") if match["half"] else Decimal(1)
    if match["word"]:
        base = Decimal(sum(known.numbers[part] for part in match["word"].lower().split("-")))
    if base == 1 and not scale:
        return None
    sign = _SIGNS.get((match["word_after"] or "").strip().lower(), "")
    return _times(str(base), _factor(scale)) + sign


def _times(digits: str, factor: int) -> str:
    try:
        return f"{(Decimal(digits) * factor).normalize():f}"
    except InvalidOperation:  # two points: 1.250.000 million is no amount
        return f"{digits}*{factor}"


def _factor(scale: str) -> int:
    """What one or several scales multiply by: "hundred thousand" is 100,000."""
    known, product = words(), 1
    for part in re.split(r"[\s-]", scale) if scale else ():
        letters = known.suffixes | known.money_suffixes
        product *= known.scales[part.lower()] if part.lower() in known.scales else letters[part]
    return product


def _unit(match: re.Match[str]) -> str:
    """The unit's own name; letters that stick to the digits ("4x") are a unit too."""
    spelling = (match["unit"] or match["stuck"] or "").lower()
    return words().units.get(spelling, spelling)


@cache
def _pattern() -> re.Pattern[str]:
    known = words()
    scale = rf"(?:{'|'.join(known.scales)})"
    scales = rf"{scale}(?:[\s-]{scale})*(?!\w)"
    ones = "|".join(word for word, value in known.numbers.items() if value < 10)
    tens = "|".join(word for word, value in known.numbers.items() if value >= 20)
    plain = "|".join(sorted(known.numbers, key=len, reverse=True))
    units = "|".join(sorted(known.units, key=len, reverse=True))
    percent = r"\s?(?:percent|per\scent)(?!\w)"
    digits = (
        r"(?P<before>[$€£¥]\s?)?(?<![\w.,])(?P<digits>\d+(?:[.,' ]\d{3})*(?:[.,]\d+)?)"
        rf"(?:[\s-]?(?P<scale>(?i:{scales}))|(?P<suffix>{'|'.join(known.suffixes)})(?!\w)"
        rf"|(?P<money_suffix>(?(before)(?:{'|'.join(known.money_suffixes)})(?!\w)|(?!))))?"
        rf"(?P<after>\s?[%‰$€£¥]|(?i:{percent}))?"
    )
    word = (
        rf"(?i:(?<!\w)(?:(?P<word>(?:{tens})-(?:{ones})|{plain})(?:[\s-](?P<word_scale>{scales}))?(?!\w)"
        rf"|(?P<half>half)(?:\sa\s(?P<half_scale>{scales}))?(?!\w)"
        rf"|(?P<alone>{scales}))(?P<word_after>{percent})?)"
    )
    lone = rf"(?i:(?<!\w)(?P<plural>(?:{'|'.join(known.scales)})s)(?!\w))"
    unit = rf"(?:(?:\s?/\s?|[\s-])?(?:(?:[^\W\d_]+[\s-]))?(?P<unit>(?i:{units}))(?!\w)|(?P<stuck>[^\W\d_]+))?"
    return re.compile(rf"{lone}|(?:{digits}|{word}){unit}")
