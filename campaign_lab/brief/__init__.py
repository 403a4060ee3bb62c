"""The brief: what to advertise, for whom; with the codes that it takes and the addresses of its sites."""

from campaign_lab.brief.allowed import FILLED_IN, REGULATED_MARKETS, AdvertiserRole, Objective, SpecialAdCategory
from campaign_lab.brief.brief import Brief
from campaign_lab.brief.sites import origin_of, site_beside

__all__ = [
    "FILLED_IN",
    "REGULATED_MARKETS",
    "AdvertiserRole",
    "Brief",
    "Objective",
    "SpecialAdCategory",
    "origin_of",
    "site_beside",
]
