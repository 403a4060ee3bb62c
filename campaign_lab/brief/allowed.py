"""What may stand in the fields of a brief: Meta's codes, the roles, and how each field is described when it is wrong."""

from __future__ import annotations

from typing import Literal, get_args

Objective = Literal[
    "OUTCOME_AWARENESS", "OUTCOME_TRAFFIC", "OUTCOME_ENGAGEMENT", "OUTCOME_LEADS", "OUTCOME_APP_PROMOTION",
    "OUTCOME_SALES",
]  # fmt: skip
SpecialAdCategory = Literal[
    "HOUSING", "EMPLOYMENT", "CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "ISSUES_ELECTIONS_POLITICS",
    "ONLINE_GAMBLING_AND_GAMING",
]  # fmt: skip
AdvertiserRole = Literal["brokerage", "agent", "lender", "insurer", "publisher", "employer", "operator", "candidate"]

REGULATED_MARKETS = {
    "CA": {"CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "HOUSING", "ISSUES_ELECTIONS_POLITICS"},
    "US": set(get_args(SpecialAdCategory)),
    "GB": {"CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "ISSUES_ELECTIONS_POLITICS", "ONLINE_GAMBLING_AND_GAMING"},
    "AU": {"CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "ISSUES_ELECTIONS_POLITICS", "ONLINE_GAMBLING_AND_GAMING"},
}
"""Where the law asks who speaks (licence lines, disclosures), by ISO 3166 country: Meta special ad categories."""

EXPECTED = {
    "url": "a web address (https://…), or a folder or .html file that exists",
    "competitors": "a list of at most 10 web addresses, folders or .html files",
    "objective": "one of " + ", ".join(get_args(Objective)),
    "market": "an ISO 3166 code such as CA or CA-ON",
    "language": "a BCP 47 tag such as en or fr-CA",
    "special_ad_categories": "a list of " + ", ".join(get_args(SpecialAdCategory)),
    "advertiser_role": "one of " + ", ".join(get_args(AdvertiserRole)),
    "budget": "an amount of at least 0 in the account's currency",
    "placements": "a list of placement names",
    "campaign": "a name of 1 to 120 characters",
    "audience": "a text of at most 1000 characters",
    "allow_private_addresses": "true or false",
}

FILLED_IN = ("sources", "market_from")
"""Fields that nobody gives."""
