"""Checks whether amounts on the brand's own pages fit the brief's market. The result is stored with the turn; no key has it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache

from campaign_lab.brief import Brief
from campaign_lab.pages.page import host_of
from campaign_lab.pages.reading.numbers import values

DOLLARS = {
    "C$": "CAD", "CA$": "CAD", "US$": "USD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "R$": "BRL",
}  # fmt: skip
"""Signs that name one country's money, where the bare sign names that of many."""
CODE = re.compile(r"CAD|USD|EUR|GBP|AUD|NZD|CHF|JPY|INR")
SIGN = re.compile(r"(?:\b[A-Z]{1,2})?\$(?:\s?(?:CA|US)\b)?|[€£¥₹]")
READ = 100_000
"""Characters of a page in which amounts are looked for."""


def contradiction(brief: Brief, texts: Mapping[str, str]) -> str:
    """One line when most amounts on the pages of the brief's site are in other money than the market's; else empty.

    ``texts`` are the pages' texts by url. A site without amounts contradicts nothing.
    """
    accepted, site = _money_of(brief.market[:2]), host_of(brief.url)
    own, others = 0, Counter[tuple[str, str, str]]()
    for url in sorted(texts):
        for amount in values(texts[url][:READ]) if host_of(url) == site else ():
            if found := CODE.search(amount) or SIGN.search(amount):
                sign = re.sub(r"\s", "", found[0])
                sign = f"{sign[1:]}$" if sign.startswith("$") and sign != "$" else sign  # $ CA
                if accepted & {sign, DOLLARS.get(sign)}:
                    own += 1
                else:
                    others[sign, amount, url] += 1
    if not accepted or others.total() <= own:
        return ""
    (sign, amount, url), _ = others.most_common(1)[0]
    codes = ", ".join(sorted(each for each in accepted if each.isalpha() and len(each) == 3 and each.isupper()))
    return (
        f"Money on the site does not fit the market {brief.market} ({codes}): {sign}, such as {amount} on {url}. "
        "If the market is another one, set market in the brief and run again."
    )


@cache
def _money_of(country: str) -> frozenset[str]:
    """Codes and signs of the money that is paid with in a country; none when that is not known."""
    from babel import Locale, UnknownLocaleError
    from babel.languages import get_official_languages
    from babel.numbers import get_currency_symbol, get_territory_currencies

    codes = get_territory_currencies(country)
    signs = set(codes)
    for language in (*get_official_languages(country, regional=True, de_facto=True), "en"):
        try:
            locale = Locale.parse(f"{language}_{country}")
        except (UnknownLocaleError, ValueError):
            continue
        signs |= {unicodedata.normalize("NFKC", get_currency_symbol(code, locale)).strip() for code in codes}
    return frozenset(signs)
