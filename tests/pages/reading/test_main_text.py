"""The text that agents read: whose lines it holds, and which it leaves out."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from campaign_lab.pages import Page
from campaign_lab.pages.agent_view import SHOWN_TO_AGENTS, page_for_agent

Make = Callable[..., Page]

LANDING = """<!doctype html><html lang="en-CA"><head><title>RateFinder | Compare</title>
<meta name=description content="Compare 40+ lenders."><meta property="og:site_name" content="RateFinder"></head><body>
<a class="skip-link" href="#main">Skip to content</a><div class="promo-bar">Free rate hold until March 31.</div>
<header class="site-header"><a href="/"><img src=l.png alt="RateFinder logo"></a>
<nav><ul><li><a href="/rates">Rates</a><li><a href="/about">About</a></ul></nav><button>Menu</button></header>
<section class="hero"><h1>The lowest rate.<br><span>In 2 minutes.</span></h1>
<p>We compare <b>40+ lenders</b>. From <b>4.19</b><sup>%</sup> on a 5-year fixed.</p>
<a href="/start" class="btn btn-primary">Get my rate</a> <a href="/how" class="btn">How it works</a></section>
<section><h2>Why us</h2><div class="grid"><div class="card"><svg><title>icon</title></svg><h3>No fees</h3>
<p>Lenders pay us.</p><a href="/fees">Learn more</a></div>
<div class="card"><div>$2.4</div><div>billion funded</div></div></div>
<details><summary>Does it hurt my score?</summary><p>No. It is a soft check.</p></details></section>
<form><h2>Get your rate</h2><p>No spam.</p><label>Email <input></label><select><option>Ontario</select>
<button>Send</button></form>
<div id="cookie-banner" class="cookie-consent"><p>We use cookies to improve your visit.</p><button>Accept all</button></div>
<footer><p>Licence 12345.</p></footer></body></html>"""

ARTICLE = """<html lang=en><head><title>Renewals</title><meta property="og:type" content="article"></head><body>
<div class="top"><a href=/>Home</a> <a href=/b>Blog</a> <a href=/c>Contact</a></div><div class="wrap"><div><h1>How to renew</h1>
<p>Most homeowners in Canada renew every five years, and
more than 60% of them sign the first letter that their bank sends them.</p>
<p>That is an expensive habit, because
a difference of 0.40 points on a balance of $400,000 costs about $1,600 in one year.</p>
<h2>Start early</h2>
<p>Lenders let you hold a rate for up to 120 days, so begin early and let several of them compete for your loan.</p>
<ul><li>Collect your last statement.</li><li>Ask three lenders for a quote.</li></ul>
<p>Then decide, and sign only when
the numbers convince you that the offer is truly better than the others that you hold.</p></div>
<div class="right"><h3>Related posts</h3><div><a href=/1>Five mistakes</a></div>
<h3>Subscribe</h3><p>Join our readers.</p></div></div>
</body></html>"""

GRID = """<main><h1>Socks</h1><ul>
<li><a href=/1><img alt="Grey sock"><div>Trail Runner</div><div>$18.00</div></a><button>Add to cart</button></li>
<li><a href=/2><div>City Crew</div><div><s>$22.00</s> $16.50</div></a></li><li><a href=/3><h3>Alpine Knee</h3></a>
<span>CA$&nbsp;24</span><span>4.9 ★</span></li></ul><p>30-day returns, no questions asked.</p></main>"""

RATES = """<h1>Rates</h1><table><caption>Today</caption><thead><tr><th>Term</th><th>Rate</th></tr></thead>
<tr><td>5-year</td><td><div>4.19<sup>%</sup></div><div>fixed</div></td></tr><tr><td></td><td>4.34%</td></tr></table>"""

FRENCH = """<html lang=fr-CA><title>Taux</title><nav class=fil-ariane><a href=/>Accueil</a> &gt; Taux</nav><main>
<h1>Comparez les taux</h1><p>À partir de 4,19&nbsp;% pour 5 ans. Économisez jusqu\u2019à 1&nbsp;249,00&nbsp;$.</p>
<p>« Un service rapide, clair et vraiment gratuit. »</p><p>Sophie L., Laval</p><a class=btn href=/d>Obtenir mon taux</a></main>
<div class="tarteaucitron">Nous utilisons des cookies.</div>"""

LAYOUTS = {"landing": LANDING, "article": ARTICLE, "grid": GRID, "rates": RATES, "french": FRENCH}


def lines(page: Page) -> list[str]:
    return page.main_text.splitlines()


def test_a_landing_page_keeps_its_hero_cards_and_answers(page_of: Make) -> None:
    """Cards, questions and the form's promise stay; menus, buttons, labels, cookies and footer go."""
    page = page_of(LANDING)
    assert lines(page) == [
        "Free rate hold until March 31.",
        "The lowest rate. In 2 minutes.",
        "We compare 40+ lenders. From 4.19% on a 5-year fixed.",
        "Why us",
        "No fees",
        "Lenders pay us.",
        "$2.4",
        "billion funded",
        "Does it hurt my score?",
        "No. It is a soft check.",
        "Get your rate",
        "No spam.",
    ]
    assert page.calls_to_action == ("Get my rate", "How it works", "Send")
    assert (page.language, page.site_name, page.description) == ("en-CA", "RateFinder", "Compare 40+ lenders.")


def test_an_article_ends_where_it_ends(page_of: Make) -> None:
    """On a page of plain div elements, the menu above and the related posts beside the article are left out."""
    found = lines(page_of(ARTICLE))
    assert (found[0], found[-1][:12]) == ("How to renew", "Then decide,")
    assert {"Start early", "Collect your last statement.", "Ask three lenders for a quote."} <= set(found)
    assert not {"Related posts", "Join our readers.", "Home Blog Contact"} & set(found)


def test_a_product_grid_keeps_names_and_prices_that_are_links(page_of: Make) -> None:
    """Names and prices inside links are text, and two spans side by side are two words."""
    assert lines(page_of(GRID)) == [
        "Socks",
        "Trail Runner",
        "$18.00",
        "City Crew",
        "$22.00 $16.50",
        "Alpine Knee",
        "CA$ 24 4.9 ★",
        "30-day returns, no questions asked.",
    ]


def test_table_rows_are_lines(page_of: Make) -> None:
    """A row is one line with bars between its cells."""
    assert lines(page_of(RATES)) == ["Rates", "Today", "Term | Rate", "5-year | 4.19% fixed", "4.34%"]


def test_a_french_page_is_read_alike(page_of: Make) -> None:
    """Breadcrumbs and the French cookie notice go; numbers keep their French form."""
    page = page_of(FRENCH)
    assert lines(page)[:2] == [
        "Comparez les taux",
        "À partir de 4,19 % pour 5 ans. Économisez jusqu\u2019à 1 249,00 $.",
    ]
    assert "cookies" not in page.main_text
    assert [n.value for n in page.numbers] == ["4,19 %", "5 ans", "1 249,00 $"]
    assert page.testimonials[0].quote == "Un service rapide, clair et vraiment gratuit."


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_that_is_quotable_stands_in_the_text(page_of: Make, layout: str) -> None:
    """Lines, headings, contexts of numbers and testimonials can be found again, whatever the layout."""
    assert_quotable(page_of(LAYOUTS[layout]))


def assert_quotable(page: Page) -> None:
    shown = json.loads(page_for_agent(page))
    everything = " ".join(page.text.split())
    quotes = [
        *shown.get("text", "").splitlines(),
        *shown.get("headings", ()),
        *shown.get("figures", ()),
        *shown.get("legal_lines", ()),
    ]
    quotes += [t["quote"] for t in shown.get("testimonials", ())] + [
        shown.get("title", ""),
        shown.get("description", ""),
    ]
    assert [quote for quote in quotes if " ".join(quote.split()) not in everything] == []


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>SECRET</p>",
        "<p aria-hidden=true>SECRET</p>",
        '<p style="display : none">SECRET</p>',
        "<template>SECRET</template>",
        "<noscript>SECRET</noscript>",
        "<!-- SECRET -->",
        "<script>SECRET</script>",
        "<style>SECRET</style>",
        "<dialog>SECRET</dialog>",
        '<div style="position:absolute;left:-9999px">SECRET</div>',
        '<p style="font-size:0">SECRET</p>',
        '<p class="sr-only">SECRET</p>',
        '<p style="color:#fff;background:#fff">SECRET</p>',
        '<p style="visibility:hidden">SECRET</p>',
        '<p style="opacity:0">SECRET</p>',
        "<div hidden><div><p>SECRET</p></div></div>",
        "<svg><text>SECRET</text></svg>",
        "<textarea>SECRET</textarea>",
        "<p>\U000e0053\U000e0045\U000e0043\U000e0052\U000e0045\U000e0054</p>",
    ],
)
def test_what_a_reader_cannot_see_is_not_text(page_of: Make, hidden: str) -> None:
    """Hidden text is a known way to talk to a model behind the reader's back: it is in no text and no number."""
    page = page_of(f"<h1>Visible</h1>{hidden}<p>Also visible.</p>")
    assert lines(page) == ["Visible", "Also visible."]
    assert "SECRET" not in page.text
    assert "\U000e0053" not in page.text


@pytest.mark.parametrize(
    "shown",
    [
        '<p style="opacity:0;transform:translateY(20px)">',
        '<p class="hidden md:block">',
        "<dialog open>",
        '<p class="d-none d-md-block">',
    ],
)
def test_text_that_fades_in_or_shows_on_wide_screens_is_kept(page_of: Make, shown: str) -> None:
    """Many landing pages send their hero text transparent and let a script fade it in."""
    assert "Lower rates" in page_of(f"<h1>Shop</h1>{shown}Lower rates").text


@pytest.mark.parametrize(
    ("html", "line"),
    [
        ("<p>4.19<sup>%</sup> today", "4.19% today"),
        ("<p>one<!-- c -->two", "onetwo"),
        ("<p>a<br>b", "a b"),
        ("<p>un<b>believ</b>able", "unbelievable"),
        ("<div><span>Rate</span><span>4.19%</span></div>", "Rate 4.19%"),
        ("<div><span>$</span><span>18</span></div>", "$18"),
        ("<div><span>1</span><span>2</span><span>0</span></div>", "120"),
        ("<div><a href=a>Fast</a><a href=b>Easy</a></div>", "Fast Easy"),
        ("<h1>Lower<div>rates</div></h1>", "Lower rates"),
        ("<h1><div>Lower</div>rates</h1>", "Lower rates"),
        ("<p>so\u00adlar\u200b panel", "solar panel"),
        ("<p>cafe\u0301", "café"),
        ("<p>a\u00a0b\n\t c", "a b c"),
        ("<blockquote>Good.<cite>Ana</cite></blockquote>", "Good. Ana"),
        ("<rate-card>Low</rate-card>", "Low"),
    ],
)
def test_words_are_joined_as_a_reader_sees_them(page_of: Make, html: str, line: str) -> None:
    """No glued words between blocks, and no gaps inside a word."""
    assert lines(page_of(f"<p>Before</p>{html}"))[1:] == [line]


def test_order_is_the_page_s_order(page_of: Make) -> None:
    """Loose text between blocks keeps its place."""
    assert lines(page_of("<h1>A1</h1>b2<p>c3</p>d4<ul><li>e5<ul><li>f6</ul><li>g7</ul>h8")) == [
        "A1",
        "b2",
        "c3",
        "d4",
        "e5",
        "f6",
        "g7",
        "h8",
    ]


def test_a_long_text_is_cut_at_a_line_and_says_so(page_of: Make) -> None:
    """The cut is noted, and every line that is left is whole."""
    page = page_of("<h1>Long</h1>" + "".join(f"<p>Sentence number {n} of a very long page.</p>" for n in range(2_000)))
    assert len(page.main_text) <= 24_000
    assert all(line == "Long" or line.endswith("page.") for line in lines(page))
    assert page.notes == ("the text was cut at 24000 characters",)


@pytest.mark.parametrize(
    ("html", "note"),
    [
        ("", "the page is empty"),
        ("<div id=root></div><script src=app.js></script>", "drawn by scripts"),
        ("<nav><a href=/a>Rates</a></nav>", "only navigation"),
        ("<div id=root></div><noscript>Enable JavaScript</noscript><script></script>", "drawn by scripts"),
    ],
)
def test_a_page_without_text_says_why(page_of: Make, html: str, note: str) -> None:
    """Nothing is made up for an empty page."""
    page = page_of(html)
    assert page.main_text == ""
    assert note in page.notes[0]


def test_for_agent_has_its_keys_in_order(page_of: Make) -> None:
    """The order is part of the interface, what a page does not have is left out, and text is not escaped."""
    shown = list(json.loads(page_for_agent(page_of(LANDING))))
    assert shown == sorted(shown, key=SHOWN_TO_AGENTS.index)
    assert "headings" not in json.loads(page_for_agent(page_of("")))
    assert "À partir" in page_for_agent(page_of(FRENCH))


def test_a_page_survives_being_stored(page_of: Make) -> None:
    """What to_json writes, from_json reads, and what the agent saw is the same."""
    page = page_of(LANDING)
    again = Page.from_json(page.to_json())
    assert again == page
    assert page_for_agent(again) == page_for_agent(page)


def test_links_are_absolute_once_and_the_site_s_own_first(page_of: Make) -> None:
    """Fragments go, other schemes go, the base element counts, and a picture's text stands for its link."""
    html = """<base href=/shop/><a href=https://other.example/x>Other</a><a href="a.html#top">A</a><a href=a.html>Again</a>
    <a href=mailto:a@b.c>Mail</a><a href=javascript:void(0)>JS</a><a href=#x>Here</a><a href="http://[">Broken</a>
    <a href=https://www.site.example/w><img alt="Winter"></a>"""
    assert [(link.text, link.url) for link in page_of(html).links] == [
        ("A", "https://site.example/shop/a.html"),
        ("Winter", "https://www.site.example/w"),
        ("Other", "https://other.example/x"),
    ]


def test_many_links_are_listed_up_to_a_limit(page_of: Make) -> None:
    """Eighty of ten thousand links are shown, and the page says so."""
    page = page_of("<h1>Map</h1>" + "".join(f"<a href=/{n}>Page {n}</a>" for n in range(10_000)))
    assert len(page.links) == 80
    assert "80 of 10000 links are listed" in page.notes


def test_json_ld_is_flattened_cleaned_and_cut(page_of: Make) -> None:
    """@graph is flattened, broken scripts are counted, half an emoji is replaced, and no object grows beyond its limit."""
    html = (
        '<script type="application/ld+json">{"@context":"https://schema.org","@graph":[{"@type":"Organization","name":"Ur\\ud83d"},'
        '{"@type":"Product","description":"' + "long " * 2_000 + '","price":NaN}]}</script>'
        '<script type="application/ld+json">{"@type": </script><h1>x</h1>'
    )
    page = page_of(html)
    organisation, product = page.structured_data
    assert organisation == {"@type": "Organization", "name": "Ur\ufffd"}
    assert page.site_name == "Ur\ufffd"
    assert len(json.dumps(product)) <= 4_000
    assert product["price"] is None
    assert page.notes == ("1 JSON-LD script(s) could not be read: not valid JSON",)
    assert page.to_json().encode()


@pytest.mark.parametrize(
    ("body", "header", "word"),
    [
        ("<meta charset=iso-8859-1><p>Café à Montréal", "utf-16", "Café à Montréal"),
        ("<meta charset=utf-8><p>Café", "", "Café"),
    ],
)
def test_valid_utf8_is_utf8_whatever_is_declared(page_of: Make, body: str, header: str, word: str) -> None:
    """Bytes count more than declarations."""
    kind = f"text/html; charset={header}" if header == "iso-8859-1" else "text/html"
    assert word in page_of(body.encode(), kind).text


@pytest.mark.parametrize(
    ("charset", "header", "meta"),
    [
        ("windows-1252", "utf-8", "shift_jis"),
        ("windows-1251", "windows-1251", "utf-8"),
        ("shift_jis", "", "shift_jis"),
        ("utf-16", "", ""),
        ("windows-1252", "", ""),
        ("windows-1252", "no-such-charset", "hex"),
        ("utf-8-sig", "iso-8859-1", ""),
    ],
)
def test_other_charsets_are_found(page_of: Make, charset: str, header: str, meta: str) -> None:
    """By byte order mark, then by the declaration that fits the bytes, then by the web's default."""
    word = {"windows-1251": "Ипотека", "shift_jis": "住宅ローン"}.get(charset, "déjà-vu é ñ")
    body = f"<html><head><meta charset='{meta}'></head><p>{word}</p>".encode(charset)
    assert word in page_of(body, f"text/html; charset={header}" if header else "text/html").text


def test_a_wrong_declaration_is_noted(page_of: Make) -> None:
    """The page says what it is, the bytes say otherwise, and the reader is told."""
    page = page_of("<meta charset=iso-8859-1><h1>Café</h1>".encode())
    assert page.notes == ("the page is declared as windows-1252, but was read as utf-8, which its bytes are",)


def test_colours_count_where_they_are_used(page_of: Make) -> None:
    """Custom properties are followed, rules for absent elements count nothing, greys come last."""
    page = page_of("""<style>:root{--brand:#0A7D4F;--unused:red} .btn,h1{color:var(--brand)} .btn{background:hsl(210 100% 40%)}
    .absent{color:#ff00ff} body{color:#111;background:#fff;font:16px/1.5 "Inter", sans-serif} h1{font-family:Poppins,serif}
    p{color:oklch(62.8% 0.2577 29.23)}
    u{color:var(--none, var(--loop, rgb(0 0 255)))}
    :root{--loop:var(--loop)} i{font-family:"Font Awesome 5"} b{font-family:system-ui}</style>
    <h1 style="color:var(--brand)">x</h1><a class=btn>y</a>""")
    assert page.colours == ("#0a7d4f", "#0066cc", "#ff0000", "#111111", "#ffffff")
    assert page.fonts == ("Inter", "Poppins")
