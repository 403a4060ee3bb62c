"""What is stored as static HTML: what a notebook saves. Every text is escaped; pages and models are hostile."""

from campaign_lab.money import Sum, price_words, usd
from campaign_lab.show.ads import ad_html
from campaign_lab.show.frame import framed
from campaign_lab.show.results import records_html, session_html
from campaign_lab.show.tables import frame_html, receipt_html, tree_html
from campaign_lab.show.text import escape_html

__all__ = [
    "Sum",
    "ad_html",
    "escape_html",
    "frame_html",
    "framed",
    "price_words",
    "receipt_html",
    "records_html",
    "session_html",
    "tree_html",
    "usd",
]
