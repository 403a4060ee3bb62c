"""Markets and languages as codes: what is one, what was probably meant, and which market an address gives away.

Countries and subdivisions are those of ISO 3166, languages, scripts and regions those of BCP 47 tags (pycountry has the tables).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

READ_AS = {"UK": "GB"}
"""Codes that ISO 3166 keeps free because everybody writes them."""
GENERIC_ENDINGS = frozenset(
    ("ac", "ad", "ai", "as", "bz", "cc", "cd", "co", "dj", "fm", "gg", "gl", "io", "la", "ly", "me", "ms", "nu", "sc", "sh",
     "so", "sr", "st", "su", "to", "tk", "tv", "vc", "ws")
)  # fmt: skip
"""Endings of countries that sites anywhere use. Google's list (Managing multi-regional sites, 2026-11) and some alike."""
SECOND_LEVELS = frozenset(("ac", "co", "com", "edu", "gov", "ltd", "me", "net", "org", "plc"))
"""What stands before a country's ending, as in .co.uk: it is part of the ending as people know it."""
MOST_CODES = 13
"""How many subdivisions an error lists."""


def market_of(given: str, likely: Iterable[str] = ()) -> str:
    """The ISO 3166 code in its usual form: UK is read as GB, lower case as upper case.

    Raises ValueError that says what was probably meant; codes in the ``likely`` countries come first there.
    """
    country, dash, part = given.strip().upper().partition("-")
    code = READ_AS.get(country, country)
    if not _is_country(code):
        raise ValueError(_meant_market(given.strip(), tuple(likely)))
    if not dash or f"{code}-{part}" in _subdivisions():
        return f"{code}{dash}{part}"
    known = sorted(each for each in _subdivisions() if each.startswith(f"{code}-"))
    more = f", or a subdivision: {', '.join(known[:MOST_CODES])}{', …' * (len(known) > MOST_CODES)}" if known else ""
    raise ValueError(f"{code} has no subdivision {part!r} in ISO 3166-2; give {code}{more}")


def market_names(code: str) -> tuple[str, ...]:
    """What people call a market: the names of the country and the subdivision in English, and their usual abbreviations."""
    import pycountry

    country = pycountry.countries.get(alpha_2=code[:2])
    names = [getattr(country, kind, "") for kind in ("common_name", "name")]
    names += [each.name for each in pycountry.subdivisions if each.code == code]
    return tuple(filter(None, (*names, *(written for written, read in READ_AS.items() if read == code[:2]))))


def language_of(given: str) -> str:
    """The BCP 47 tag as it was given; only the language's own code is put into lower case.

    Raises ValueError that says what was probably meant when one of its subtags is not known.
    """
    main, *rest = given.strip().split("-")
    known = next((n for n, each in enumerate(rest) if len(each) == 1), len(rest))  # extensions follow, which are free
    right = [_main_language(main), *map(_subtag, rest[:known])]
    if not all(right) or not all(re.fullmatch("[A-Za-z0-9]{1,8}", each) for each in rest[known:]):
        raise ValueError(_called(given))
    tag = "-".join((*right, *rest[known:]))
    if tag.casefold() != given.strip().casefold():
        raise ValueError(f"did you mean {tag}?")
    return "-".join((main.lower(), *rest))


def guessed_market(host: str, language: str) -> tuple[str, str]:
    """The country that the host's ending names, else the language's region; and what it was guessed from.

    ``("GB", ".co.uk")``, ``("CA", "the language fr-CA")``; two empty texts where neither names one.
    """
    labels = host.lower().rstrip(".").split(".")
    country = READ_AS.get(labels[-1].upper(), labels[-1].upper())
    if len(labels) > 1 and labels[-1] not in GENERIC_ENDINGS and _is_country(country):
        ending = labels[-2:] if len(labels) > 2 and labels[-2] in SECOND_LEVELS else labels[-1:]
        return country, f".{'.'.join(ending)}"
    region = next((each.upper() for each in language.split("-")[1:] if re.fullmatch("[A-Za-z]{2}", each)), "")
    return (region, f"the language {language}") if _is_country(region) else ("", "")


# -- languages


def _main_language(given: str) -> str:
    """The language subtag that was meant: the shortest code; empty when nothing is known of it."""
    code = given.lower()
    if found := _language(code):
        return _short(found)
    from babel.core import get_global
    from babel.languages import get_official_languages

    renamed = cast("str | None", get_global("language_aliases").get(code))
    spoken = next(iter(get_official_languages(code.upper(), de_facto=True)), "") if len(code) == 2 else ""
    return renamed or spoken.partition("_")[0]


def _subtag(given: str) -> str:
    """A script, region, variant or extended language as it was meant; empty when it is not known."""
    shape = _cased(given)
    if re.fullmatch("[A-Z]{2}", shape):
        inside = {each[:2] for each in _subdivisions() if each.endswith(f"-{shape}")}  # QC in fr-QC
        country = inside.pop() if len(inside) == 1 and not _is_country(shape) else shape
        return country if _is_country(country := READ_AS.get(shape, country)) else ""
    if re.fullmatch("[A-Z][a-z]{3}", shape):
        import pycountry

        return shape if pycountry.scripts.get(alpha_4=shape) else ""
    if re.fullmatch("[a-z]{3}", shape):
        return shape if _language(shape) else ""
    return shape if re.fullmatch("[0-9]{3}|[a-z0-9]{5,8}|[0-9][a-z0-9]{3}", shape) else ""


def _cased(subtag: str) -> str:
    """The subtag as tags are written: regions in capitals, scripts with one. Letter case says nothing in a tag."""
    if subtag.isalpha() and len(subtag) in (2, 4):
        return subtag.upper() if len(subtag) == 2 else subtag.title()
    return subtag.lower()


def _language(code: str) -> Any:
    """Pycountry's entry for a language code of two or three letters, or None."""
    import pycountry

    if len(code) not in (2, 3):
        return None
    return pycountry.languages.get(**{f"alpha_{len(code)}": code})


def _called(given: str) -> str:
    """What to give for a language that was given by its name; empty when no language is called so."""
    import pycountry

    found = pycountry.languages.get(name=given.title())
    return f"did you mean {_short(found)}?" if found else ""


def _short(language: Any) -> str:
    return str(getattr(language, "alpha_2", None) or language.alpha_3)


# -- markets


def _meant_market(given: str, likely: tuple[str, ...]) -> str:
    """What a text that is no country was probably meant as; empty when nothing is like it."""
    meant = _countries_called(given) or sorted(
        (each for each in _subdivisions() if each.endswith(f"-{given.upper()}")),
        key=lambda code: (code[:2] not in likely, code),
    )
    ask = f"did you mean {_or(meant[:3])}?" if meant else ""
    language = _language(given.lower())
    if not hasattr(language, "alpha_2"):
        return ask
    said = f"{given} is a language ({language.name}): give language={_short(language)!r} and a country as the market"
    return f"{said}; or {ask}" if ask else said


def _countries_called(given: str) -> list[str]:
    """The country or subdivision of that name or three-letter code, if there is one."""
    import pycountry

    if len(given) <= 3:
        found = pycountry.countries.get(alpha_3=given.upper())
        return [found.alpha_2] if found else []
    if same := sorted(each.code for each in pycountry.subdivisions if each.name.casefold() == given.casefold()):
        return same
    try:
        return [pycountry.countries.search_fuzzy(given)[0].alpha_2]
    except LookupError:
        return []


@cache
def _is_country(code: str) -> bool:
    import pycountry

    return len(code) == 2 and pycountry.countries.get(alpha_2=code) is not None


@cache
def _subdivisions() -> frozenset[str]:
    import pycountry

    return frozenset(each.code for each in pycountry.subdivisions)


def _or(codes: list[str]) -> str:
    return codes[0] if len(codes) == 1 else f"{', '.join(codes[:-1])} or {codes[-1]}"
