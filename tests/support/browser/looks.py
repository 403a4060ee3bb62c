"""What can be measured of how a page looks and is used: contrast, names, order, room, and what must not be there."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from support.browser.lab_page import LabPage

READABLE = 4.5
"""WCAG 2.2, 1.4.3: contrast of text to what is behind it."""
MOST_STOPS = 200
ROLES = "button|textbox|combobox|slider|checkbox|radio|spinbutton|listbox|searchbox|switch"
CONTROL = re.compile(rf"^\s*- '?(?:{ROLES})\b(?P<name> \".+?\")?")
"""A line of an aria snapshot with a control: its role and, in quotes, its name."""

CONTRAST = """root => {
    const parse = text => { const n = text.match(/[\\d.]+/g).map(Number);
        const scale = text.startsWith('color(srgb') ? 255 : 1;
        return [n[0] * scale, n[1] * scale, n[2] * scale, n.length > 3 ? n[3] : 1] };
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const light = c => { const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b };
    const known = new Map([[null, {back: [255, 255, 255, 1], opacity: 1}]]);
    const around = element => { if (known.has(element)) return known.get(element);
        const outside = around(element.parentElement), style = getComputedStyle(element);
        const found = {back: over(parse(style.backgroundColor), outside.back), opacity: outside.opacity * Number(style.opacity)};
        known.set(element, found);
        return found };
    const found = [], seen = new Set(), walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        if (!node.textContent.trim() || seen.has(element) || !element.checkVisibility()) continue;
        if (element.closest('[disabled], svg, .jp-OutputPrompt')) continue;
        seen.add(element);
        const {back, opacity} = around(element), own = parse(getComputedStyle(element).color);
        const front = over([own[0], own[1], own[2], own[3] * opacity], back);
        const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
        found.push([(a + 0.05) / (b + 0.05), node.textContent.trim().slice(0, 60)]);
    }
    return found }"""

FORBIDDEN = """host => {
    const kinds = 'script iframe object embed form base meta link marquee video audio mjx-container .MathJax [href^="javascript"]'
        + ' [href^="data:text"] [class*="ansi-"] [src*="HOST"] [href*="HOST"] [style*="HOST"]';
    const control = /[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]/;
    const own = '.jp-RenderedText a, .plot-img:not([src]), .plot-img[src^="data:image/png"]', found = [];
    const tell = element => { if (!element.matches(own)) found.push(element.outerHTML.slice(0, 200)) };
    for (const area of document.querySelectorAll('.jp-OutputArea')) {
        area.querySelectorAll(kinds.replaceAll('HOST', host).replaceAll(' ', ', ')).forEach(tell);
        area.querySelectorAll('img').forEach(tell);
        for (const each of area.querySelectorAll('*')) if ([...each.attributes].some(one => /^on/i.test(one.name))) tell(each);
        const odd = area.textContent.match(control);
        if (odd) found.push(`U+${odd[0].charCodeAt(0).toString(16)}: ${area.textContent.slice(odd.index, odd.index + 60)}`);
    }
    return found }"""
"""Two things are JupyterLab's own: addresses in plain text become links to click, and plotly keeps a picture of a figure."""

WIDE = """selector => [...document.querySelectorAll(selector)]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
    .map(e => `${e.closest('[data-id]')?.dataset.id}: ${e.scrollWidth} > ${e.clientWidth}: ${e.innerText.slice(0, 60)}`)"""

FOCUS = """part => { const element = document.activeElement;
    const box = element.getBoundingClientRect(), from = part.getBoundingClientRect();
    const name = element.ariaLabel || element.labels?.[0]?.innerText || element.title || element.innerText;
    return {inside: part.contains(element), text: name.trim().slice(0, 40),
        x: box.x - from.x, y: box.y - from.y, right: box.right - from.x, bottom: box.bottom - from.y} }"""
"""What has the focus, and where it stands in the part of the page: the page scrolls on the way."""


def unreadable(part: Locator) -> list[tuple[float, str]]:
    """Texts in a part of the page whose contrast is too low, with it. What is drawn in a figure is not looked at."""
    texts = part.evaluate(CONTRAST)
    return [(round(ratio, 2), text) for ratio, text in texts if ratio < READABLE]


def controls(part: Locator) -> list[str]:
    """What a screen reader says of each control: its role, and its name in quotes."""
    return [line.strip() for line in part.aria_snapshot().splitlines() if CONTROL.match(line)]


def nameless(part: Locator) -> list[str]:
    """Controls that a screen reader could not name. Fails when there is no control at all."""
    found = [CONTROL.match(line) for line in controls(part)]
    assert found, "no control is seen"
    return [each.string for each in found if each and not each["name"]]


def tab_stops(page: LabPage, part: Locator) -> list[dict[str, Any]]:
    """What the Tab key reaches in a part of the page, in its order, from its first control to the first stop outside."""
    first = part.locator("button:enabled, input:enabled, select:enabled, textarea:enabled, summary, a[href]").first
    first.focus()
    stops: list[dict[str, Any]] = []
    while (stop := part.evaluate(FOCUS))["inside"] and len(stops) < MOST_STOPS:
        stops.append(stop)
        page.page.keyboard.press("Tab")
    return stops


def out_of_order(stops: list[dict[str, Any]]) -> list[str]:
    """Stops that stand before the one they follow: above it without being to its right."""
    return [
        f"{after['text']!r} follows {before['text']!r}"
        for before, after in pairwise(stops)
        if after["bottom"] <= before["y"] and after["x"] < before["right"]
    ]


def broken_out(page: LabPage, host: str, flag: str) -> list[str]:
    """What hostile texts have achieved: elements, handlers, images, formulas, control characters, or a script that ran."""
    ran = [f"a script ran: {flag}"] if page.page.evaluate(f"() => window.{flag} !== undefined") else []
    found: list[str] = page.page.evaluate(FORBIDDEN, host)
    return [*ran, *found]


def too_wide(page: LabPage, parts: str) -> list[str]:
    """Elements whose content is wider than they are."""
    found: list[str] = page.page.evaluate(WIDE, parts)
    return found
