"""Web pages: read one under strict rules, and keep what an agent may quote from it.

``fetch`` is the only door to the network. A page is hostile text: it is read, measured and quoted, never obeyed.
"""

from campaign_lab.pages.fetching.fetch import fetch
from campaign_lab.pages.fetching.limits import FetchLimits
from campaign_lab.pages.page import Link, Number, Page, Rating, Testimonial

__all__ = ["FetchLimits", "Link", "Number", "Page", "Rating", "Testimonial", "fetch"]
