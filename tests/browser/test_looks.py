"""The instruments of these tests see what they are there for: on an output that does everything wrong, each of them speaks."""

from __future__ import annotations

import pytest

from support.browser.chromium import OpenNotebook
from support.browser.jupyter import Jupyter
from support.browser.looks import broken_out, nameless, out_of_order, tab_stops, too_wide, unreadable

WRONG = """from IPython.display import HTML
HTML('''<p style="color:#ccc;background:#fff">faint</p><p>$x^2$ and \\u202eabc</p><button></button>
<a href="javascript:1">link</a><img src="https://elsewhere.invalid/x.png" onerror="window.__seen=1">
<div style="display:flex;flex-direction:column-reverse"><input aria-label="below"><input aria-label="above"></div>
<p style="width:9000px">wide</p>''')"""


def test_each_instrument_sees_what_is_wrong(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """Faint text, a formula, a script, a request, a nameless button, a wrong order and a wide line are all found."""
    page = open_notebook(jupyter.write("wrong", wrong=WRONG)).run_all()
    page.page.wait_for_selector(".jp-OutputArea mjx-container")
    shown = page.shown("wrong")
    assert [text for _, text in unreadable(shown)] == ["faint"]
    assert nameless(shown) == ["- button"]
    assert out_of_order(tab_stops(page, shown)) == ["'above' follows 'below'"]
    assert too_wide(page, ".jp-OutputArea-output")
    found = " ".join(broken_out(page, "elsewhere.invalid", "__seen"))
    for sign in ("a script ran", "mjx-container", "U+202e", "javascript:1", "elsewhere.invalid/x.png", "onerror"):
        assert sign in found
    with pytest.raises(AssertionError, match=r"elsewhere\.invalid"):
        page.expect_clean()
    page.leave()  # drawn once more, the output would ask for its picture again
    page.forget()
