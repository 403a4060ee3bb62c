"""Pages without content: drawn by a script, empty, or a placeholder for a site that is not there yet."""

from __future__ import annotations

import re

from campaign_lab.checks.evidence import substantial
from campaign_lab.pages.page import SCRIPTED, Page, same_site

LINE = 240
"""A longer line says more than that a page is a placeholder."""

PHRASES = (
    r"\b(?:(?:web)?site|page|shop|store|we)\b.{0,30}\bunder (?:construction|maintenance)",
    r"^\W*under (?:construction|maintenance)\b",
    r"\b(?:(?:web)?site|page|shop|store)\b.{0,30}\b(?:coming|launching) soon|^\W*coming soon\b",
    r"\b(?:come|check) back (?:soon|later)|\bwe(?: wi|'|\u2019)ll be (?:right )?back\b",
    r"\b(?:down|undergoing|closed) (?:for )?(?:scheduled )?maintenance\b",
    r"\bdomain\b.{0,40}\b(?:for sale|parked|registered|reserved)\b|\bfuture home of\b",
    r"\bdefault (?:web ?)?page\b|\bweb ?server is successfully installed|^\W*(?:it works!|welcome to nginx)",
    r"\b(?:page|site|boutique)\b.{0,30}\ben (?:construction|maintenance)\b|^\W*en (?:construction|maintenance)\b",
    r"\bbient\u00f4t (?:en ligne|disponible)|\b(?:revenez|\u00e0) bient\u00f4t\b",
    r"\b(?:seite|shop)\b.{0,40}\bim aufbau\b|^\W*im aufbau\b|\bhier entsteht\b|\bwartungsarbeiten\b",
    r"\b(?:p\u00e1gina|web|sitio|tienda)\b.{0,30}\ben (?:construcci\u00f3n|mantenimiento)\b|^\W*en construcci\u00f3n\b",
    r"\bsit[eo]\b.{0,30}\b(?:in costruzione|em constru\u00e7\u00e3o|em manuten\u00e7\u00e3o)\b",
    r"^\W*(?:in costruzione|em constru\u00e7\u00e3o)\b|\bchecking your browser\b|\bverify(?:ing)? (?:that )?you are human\b",
)
"""What such a page says in the place of a site: in English, French, German, Spanish, Italian and Portuguese."""
_PLACEHOLDER = re.compile("|".join(PHRASES), re.IGNORECASE)
_SCRIPTS = re.compile(
    r"\b(?:enable|requires?|needs?|turn on|without|activ\w+|aktivier\w+|habilit\w+|abilit\w+)\b.{0,40}\bjavascript\b"
    r"|\bjavascript\b.{0,40}\b(?:enabled|required|disabled|turned off|activ\w+|aktivier\w+|habilit\w+|abilit\w+)",
    re.IGNORECASE,
)


def why_hollow(page: Page) -> str:
    """Why nothing on the page can be quoted for a brand, with what to do; empty when something can."""
    lines = _sentences(page)
    if not all(len(line) <= LINE and (_PLACEHOLDER.search(line) or _SCRIPTS.search(line)) for line in lines):
        return ""
    if any(map(_SCRIPTS.search, lines)) or any(SCRIPTED in note for note in page.notes if not lines):
        return f"{SCRIPTED}; save it from a browser that shows it, and give that file or its folder"
    if lines:
        return "it is only a placeholder, such as “under construction”; give the address of a page that says something"
    advice = "give the address, or a folder, of pages that say more"
    return f"it has no sentence of four words that could be quoted; {advice}"


def leads_nowhere(page: Page) -> bool:
    """Is it empty or no page of the brand's at all, and without a description, data, or a link to another page of the site?"""
    links = any(link.url != page.url and same_site(link.url, page.url) for link in page.links)
    short = page.main_text and not _sentences(page)  # a few words are no campaign, but they are its own
    return bool(why_hollow(page)) and not (short or links or page.structured_data or substantial(page.description))


def _sentences(page: Page) -> list[str]:
    return [line for line in page.main_text.splitlines() if substantial(line)]
