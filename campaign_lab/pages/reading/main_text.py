"""The page's own text: which of the visible blocks a copywriter may want to quote."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby

from campaign_lab.pages.reading.blocks import CELL, TextBlock, letters
from campaign_lab.pages.reading.document_tree import HEADINGS, HtmlTree

MAX_LETTERS = 24_000
_LINK_ONLY = 0.9
_LINK_RUN = 3  # as many short links one after the other are a menu
_SHORT_LINK = 60
_CALL_WORDS = 5
_LABELS = frozenset(("button", "label", "option", "select", "legend"))
_MORE = re.compile(
    r"(?:read|learn|see|view|find out|show|discover|shop|explore) (?:more|all|now|details|the full.*)|more|details"
    r"|skip to .*|back to .*|(?:en savoir|lire|voir) (?:plus|la suite|tout|tous)|aller au contenu.*|passer au .*"
    r"|retour en haut|mehr erfahren|weiterlesen",
    re.IGNORECASE,
)
_COOKIES = re.compile(
    r"\b(?:we|site|website|nous|wir|usamos|utilizamos|utilise)\b.{0,60}\b(?:cookies|traceurs)\b"
    r"|\bcookies?\b.{0,40}\b(?:policy|preferences|settings|consent|statement)\b"
    r"|\b(?:accept|accepter|akzeptieren|manage|gérer)\b.{0,20}\bcookies\b",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(?:get|start|try|book|request|talk|speak|contact|buy|shop|order|apply|sign|join|subscribe|download|call|compare|view"
    r"|see|enquire|inquire|check|schedule|claim|create|obtenir|obtenez|demander|demandez|commencer|commencez|réserver"
    r"|réservez|essayer|essayez|acheter|comparer|comparez|jetzt|anfragen|solicitar|solicita|reservar|reserva) .*"
    r"|enquire|inquire|apply|subscribe|join",
    re.IGNORECASE,
)
_LEGAL = re.compile(r"^(?:©|\(c\) ?\d|copyright\b|all rights reserved|tous droits réservés)", re.IGNORECASE)


_ONLY_NUMBER = re.compile(
    r"(?:[A-Z]{2,3}\s?)?[$€£]?\s?\d[\d.,\u2019' ]*\s?(?:[kKMB%$€£x\u00d7★]|\+)*(?:\s?/\s?\w+)?(?:\s[$€£]\s?\d[\d.,]*)?"
)
_CARD_LINES, _CARD_LETTERS = 4, 60


def main_blocks(tree: HtmlTree, blocks: Sequence[TextBlock]) -> list[TextBlock]:
    """The blocks that are the page's own text, in document order, each long line once."""
    own = _within_main(tree, [block for block in blocks if not block.chrome])
    menu = _menu_lines(own)
    kept: list[TextBlock] = []
    seen: set[str] = set()
    for index, block in enumerate(own):
        if index in menu or not _is_text(block) or block.text in seen:
            continue
        if len(block.text.split()) > _LINK_RUN:  # short cells such as "Included" may well come twice
            seen.add(block.text)
        elif kept and kept[-1].text == block.text:
            continue
        kept.append(block)
    return kept


def cut(lines: Sequence[str]) -> tuple[str, bool]:
    """The first MAX_LETTERS of the lines, whole lines where possible, and whether some were left out."""
    kept: list[str] = []
    left = MAX_LETTERS
    for line in lines:
        if len(line) > left:
            if not kept or left > MAX_LETTERS // 10:
                kept.append(line[:left].rsplit(" ", 1)[0])
            return "\n".join(kept), True
        kept.append(line)
        left -= len(line) + 1
    return "\n".join(kept), False


def with_company(tree: HtmlTree, blocks: Sequence[TextBlock], own: Sequence[TextBlock]) -> list[str]:
    """The lines of the page's own text. One that is only a number is joined with what its card says about it.

    ``40+`` over ``lenders`` and ``Trail Runner`` over ``$18.00`` say something only together.
    """
    starts = [block.position for block in blocks]
    lines: list[str] = []
    for block in own:
        line = _card(tree, blocks, starts, block) if _ONLY_NUMBER.fullmatch(block.text) else block.text
        if lines and line.startswith(f"{lines[-1]} "):
            lines.pop()  # the name before a price is told with it
        lines.append(line)
    return lines


def _card(tree: HtmlTree, blocks: Sequence[TextBlock], starts: list[int], block: TextBlock) -> str:
    """The number with its label, or with the name before it, from the smallest element that holds more than it."""
    around = tree.nodes[block.position].parent
    while around >= 0:
        inside = blocks[bisect_left(starts, around) : bisect_left(starts, tree.nodes[around].end)]
        if len(inside) > 1:
            at = next(i for i, item in enumerate(inside) if item is block)
            if at and _is_name(inside[at - 1]):
                return f"{inside[at - 1].text} {block.text}"
            if not at and len(inside) <= _CARD_LINES and _is_name(inside[1]):
                return f"{block.text} {inside[1].text}"
            return block.text
        around = tree.nodes[around].parent
    return block.text


def _is_name(block: TextBlock) -> bool:
    """Is the line short, no sentence and no number itself?"""
    text = block.text
    short = len(text) <= _CARD_LETTERS and not block.button and not text.endswith((".", "!", "?", ":"))
    return short and not _ONLY_NUMBER.fullmatch(text) and CELL not in text


def _within_main(tree: HtmlTree, own: list[TextBlock]) -> list[TextBlock]:
    """Only what stands in <main>, when there is one and it holds most of the text."""
    mains = list(tree.find(lambda node: node.tag == "main" or node.attrs.get("role", "").lower() == "main"))
    if not mains:
        return own
    start, end = mains[0], tree.nodes[mains[0]].end
    inside = [block for block in own if start <= block.position < end]
    return inside if letters(inside) * 5 > 3 * letters(own) else own


def _menu_lines(own: Sequence[TextBlock]) -> set[int]:
    """Positions in runs of short lines that are nothing but links."""
    runs = (list(run) for short, run in groupby(range(len(own)), lambda at: _is_short_link(own[at])) if short)
    return {at for run in runs if len(run) >= _LINK_RUN for at in run}


def _is_short_link(block: TextBlock) -> bool:
    return _is_link(block) and len(block.text) <= _SHORT_LINK and not re.search(r"[$€£%]", block.text)


def _is_link(block: TextBlock) -> bool:
    """Is the line nothing but links, and no heading?"""
    return block.linked >= _LINK_ONLY and block.tag not in HEADINGS


def is_call(block: TextBlock) -> bool:
    """Is the line one short link that asks the reader to do something, although it is not styled as a button?"""
    alone = block.links == 1 and _is_link(block) and not block.chrome
    return alone and len(block.text.split()) <= _CALL_WORDS and _CALL.fullmatch(block.text) is not None


def _is_text(block: TextBlock) -> bool:
    """Is the block something to read, not a control, a label or a notice?"""
    text = block.text
    if block.button or is_call(block) or block.tag in _LABELS or not any(letter.isalnum() for letter in text):
        return False
    if _is_link(block) and (block.links >= _LINK_RUN or _MORE.fullmatch(text.strip(" →\u203a»>…"))):
        return False  # a menu on one line, or no more than "read more"
    return not (_LEGAL.match(text) or (len(text) < 600 and _COOKIES.search(text)))
