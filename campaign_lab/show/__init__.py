"""What is stored as static HTML: what a notebook saves. Every text is escaped; pages and models are hostile."""

from campaign_lab.show.ads import ad_html
from campaign_lab.show.frame import framed
from campaign_lab.show.results import records_html, session_html
from campaign_lab.show.tables import frame_html, receipt_html, tree_html

__all__ = [
    "ad_html",
    "frame_html",
    "framed",
    "receipt_html",
    "records_html",
    "session_html",
    "tree_html",
]
