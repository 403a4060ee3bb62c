"""Records: the typed results of a turn. The text under each field is what the model reads as its description.

A record is what a phase hands in through ``save_records``. All of them are frozen and strict: an extra field, a number
where text belongs or an empty list where one is needed is an error that the model is told about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

LONGEST_TEXT = 2_000
"""A text of a record is at most so many characters long."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=LONGEST_TEXT)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=80)]

AwarenessStage = Literal["unaware", "problem", "solution", "product", "most"]
Motivation = Literal["pain", "outcome", "social_proof", "curiosity", "comparison", "urgency", "identity", "contrarian"]
CallToAction = Literal[
    "LEARN_MORE", "GET_QUOTE", "GET_A_QUOTE", "APPLY_NOW", "SIGN_UP", "GET_STARTED", "GET_OFFER", "CONTACT_US",
    "GET_IN_TOUCH", "BOOK_NOW", "BOOK_A_CONSULTATION", "MAKE_AN_APPOINTMENT", "CALL_NOW", "SUBSCRIBE", "DOWNLOAD",
    "SHOP_NOW", "BUY_NOW", "ORDER_NOW", "SEE_MORE", "GET_DETAILS", "FIND_OUT_MORE", "INQUIRE_NOW", "MESSAGE_PAGE",
    "WHATSAPP_MESSAGE", "NO_BUTTON",
]  # fmt: skip
MOTIVATIONS: tuple[str, ...] = get_args(Motivation)


class RecordPart(BaseModel):
    """Base of records and of what they are made of: strict, frozen, nothing extra, docstrings as descriptions."""

    # validators are built when first used: at import they would cost a tenth of the budget for `from campaign_lab import Lab`
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)


T = TypeVar("T", bound=RecordPart)


class Evidence(RecordPart):
    """A verbatim quote and the page it stands on."""

    quote: Text
    """Copied letter by letter from the page: at least four words, or the number with its unit."""
    url: Text
    """The url of the page, as fetch_page gave it."""
    supported: SkipJsonSchema[bool | None] = None
    """Set by code, whatever a model says: does the quote stand in the stored page?"""


def _may_lack_text(schema: dict[str, Any]) -> None:
    schema["required"].remove("text")


class Claim(RecordPart):
    """A factual statement about a brand, with the quotes that carry it."""

    model_config = ConfigDict(
        json_schema_extra=_may_lack_text
    )  # whoever hands it in: ``campaign_lab.references`` fills it

    text: Text
    """The statement in one sentence, each number and name of it in one of its quotes. Leave it out where it is the quote."""
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1, max_length=6)]
    """The quotes that carry the statement."""


class _OrReference:
    """Tells a model that a reference can stand for the claim."""

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The schema of either, without the whole claim's: it is told in words, to keep what a model reads short."""
        return {"anyOf": [{"type": "reference"}, {"type": "whole claim"}]}


KnownClaim = Annotated[Claim, _OrReference()]
"""A claim that a model names by its reference, or hands in whole. It is stored whole."""


class Voice(RecordPart):
    """How a brand speaks."""

    traits: Annotated[tuple[Label, ...], Field(min_length=1, max_length=6)]
    """Words for the tone, such as: plain, warm, technical, playful."""
    examples: Annotated[tuple[Evidence, ...], Field(max_length=6)] = ()
    """Sentences from the pages that show the tone."""


class Record(RecordPart):
    """A typed result of a turn. ``kind`` names the table row and the save_records argument.

    ``revision`` is part of a turn's key: raise it when the fields or their meaning change, so that a stored turn
    with the old shape is not replayed as the new one.
    """

    kind: ClassVar[str]
    revision: ClassVar[int] = 1

    def label(self) -> str:
        """The name a person knows this record by."""
        return str(getattr(self, "name", self.kind))

    def evidence_in(self) -> tuple[Evidence, ...]:
        """Every piece of evidence in the record, in reading order, each once."""
        return tuple(dict.fromkeys(evidence for _, evidence in self.places_of(Evidence)))

    def claims_in(self) -> tuple[Claim, ...]:
        """Every claim in the record, in reading order, each once."""
        return tuple(dict.fromkeys(claim for _, claim in self.places_of(Claim)))

    def places_of(self, part: type[T]) -> Iterator[tuple[str, T]]:
        """Every part of that class in the record, with its path, such as ``claims.0``, in reading order."""
        return _walk(self, part)


class BrandProfile(Record):
    """What a brand says about itself on its own pages."""

    kind: ClassVar[str] = "brand_profile"

    name: Label
    """The brand's name as it writes it."""
    promise: Claim
    """What it promises its customers, in one line."""
    voice: Voice
    """How it speaks."""
    colours: Annotated[tuple[Label, ...], Field(max_length=8)] = ()
    """Its main colours as hex values, most used first. Empty when no page showed any."""
    offers: Annotated[tuple[Claim, ...], Field(max_length=10)] = ()
    """What can be bought or got, with prices where they are stated."""
    proofs: Annotated[tuple[Claim, ...], Field(max_length=12)] = ()
    """Reasons to believe: figures, ratings, testimonials, guarantees, licences."""
    audience: Annotated[tuple[Claim, ...], Field(max_length=6)] = ()
    """Whom the pages address."""
    differentiators: Annotated[tuple[Claim, ...], Field(max_length=8)] = ()
    """What it says sets it apart."""
    legal_lines: Annotated[tuple[Evidence, ...], Field(max_length=6)] = ()
    """Legal name, licence numbers and disclosures as the pages state them, letter by letter."""


class CustomerInsight(Record):
    """What moves the people whom the brand wants to reach, read from their own and the brand's words."""

    kind: ClassVar[str] = "customer_insight"

    segments: Annotated[tuple[Label, ...], Field(min_length=1, max_length=6)]
    """Groups of customers that differ in what they need."""
    awareness_stage: AwarenessStage
    """How much most of them know already: unaware, problem, solution, product or most (ready to buy)."""
    pains: Annotated[tuple[Claim, ...], Field(max_length=8)] = ()
    """What costs them time, money or nerves today."""
    desires: Annotated[tuple[Claim, ...], Field(max_length=8)] = ()
    """What they want instead."""
    objections: Annotated[tuple[Claim, ...], Field(max_length=8)] = ()
    """Why they hesitate."""
    triggers: Annotated[tuple[Claim, ...], Field(max_length=8)] = ()
    """Events that make them look for a solution now."""
    words: Annotated[tuple[Evidence, ...], Field(max_length=10)] = ()
    """Phrases customers use themselves, from testimonials and reviews."""


class CompetitorProfile(Record):
    """One rival, read from its own pages."""

    kind: ClassVar[str] = "competitor_profile"

    name: Label
    """The rival's name as it writes it."""
    url: Text
    """The rival's home page."""
    positioning: Claim
    """What it wants to be known for."""
    offer: Claim | None = None
    """Its main offer; absent when its pages state none."""
    proof: Claim | None = None
    """Its strongest reason to believe; absent when its pages state none."""
    price: Claim | None = None
    """What it charges, with what that is for; absent when its pages state none."""
    claims: Annotated[tuple[Claim, ...], Field(max_length=6)] = ()
    """What else it says for itself, strongest first."""
    against_us: Claim | None = None
    """What it says against providers such as our brand; absent when it says nothing."""
    gap: Text
    """What it leaves open that our brand can use. An interpretation, so it states no figures."""


class Proof(RecordPart):
    """A claim that an angle leans on, and how strong it is."""

    claim: KnownClaim
    """The reference of a claim of the research; a claim without one is handed in whole: {text, evidence: [{quote, url}]}."""
    tier: Annotated[int, Field(ge=1, le=6)]
    """Strength: 1 measured figure, 2 third-party rating, 3 named customer, 4 guarantee, 5 feature, 6 own statement."""


class Objection(RecordPart):
    """A reason to hesitate, and the answer to it."""

    objection: Text
    """The doubt in the customer's words."""
    rebuttal: Text
    """The honest answer."""


class Angle(Record):
    """One creative angle: a motivation, the person who has it, and the proof that carries it."""

    kind: ClassVar[str] = "angle"

    name: Label
    """A short name, two to five words, unique among the angles."""
    motivation: Motivation
    """What moves the reader. Angles differ in this, not in wording."""
    core_angle: Text
    """The idea in one human sentence."""
    persona: Text
    """Who it speaks to."""
    anchor: Text
    """The pain or desire it starts from."""
    deepest_desire: Text
    """What the person really wants underneath."""
    awareness_stage: AwarenessStage
    """How much the person knows already."""
    job: Text
    """The situation in which the person meets the advertisement."""
    promise: Text
    """What the advertisement promises. Factual parts are covered by the proofs."""
    mechanism: Text
    """Why the promise works."""
    proofs: Annotated[tuple[Proof, ...], Field(min_length=1, max_length=4)]
    """The claims it leans on."""
    objections: Annotated[tuple[Objection, ...], Field(max_length=4)] = ()
    """Doubts with their answers."""
    hook_hypothesis: Text
    """We believe [audience] will stop when [hook], because [reason]."""
    tone: Label
    """The tone within the brand's voice."""
    format: Label
    """The creative format, such as: single image, carousel, short video."""
    placements: Annotated[tuple[Label, ...], Field(min_length=1, max_length=6)]
    """Where it runs best."""
    call_to_action: CallToAction
    """The button."""
    offer: Text | None = None
    """The offer it leads to; absent when the pages state none."""
    landing_url: Text
    """The page it leads to: one of the brand's own pages that were read."""
    risk_flags: Annotated[tuple[Label, ...], Field(max_length=8)] = ()
    """Policy matters a person must look at, such as: special ad category, quoted rate needs APR and term."""
    success_criterion: Text
    """How one would know that it worked."""
    novelty: Text
    """How it differs from the other angles."""


class CopyVariant(Record):
    """One advertisement text for one angle."""

    kind: ClassVar[str] = "copy_variant"

    angle: Label
    """The name of the angle, exactly as it was saved."""
    headline: Text
    """At most 40 characters."""
    primary_text: Text
    """A short one has at most 125 characters, a long one at most 600, whose first 125 stand alone."""
    description: Text
    """At most 30 characters."""
    call_to_action: Annotated[CallToAction, WithJsonSchema({"type": "string"})]
    """The button: the angle's."""
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
    """Language of the text as a BCP 47 tag, such as en-CA. Quotes stay in the page's own language."""
    length: Literal["short", "long"] = "short"
    """Of the primary text."""
    hook: Text | None = None
    """The opening line of the primary text, as it stands there."""
    picture_line: Label | None = None
    """A short line to set on the picture."""
    picture: Text | None = None
    """What the picture shows, in one sentence."""
    claims: Annotated[tuple[KnownClaim, ...], Field(max_length=6)] = ()
    """The references of all its claims; a claim without one is handed in whole: {text, evidence: [{quote, url}]}."""

    def label(self) -> str:
        """Its headline."""
        return self.headline


LONG_TEXT = 600
"""A long primary text is at most so many characters long."""
COPY_FIELDS = ("headline", "primary_text", "description")
"""The texts of a copy variant."""

RECORD_TYPES: tuple[type[Record], ...] = (BrandProfile, CustomerInsight, CompetitorProfile, Angle, CopyVariant)


def slug(name: str) -> str:
    """The name as an id: lower case, words joined by hyphens. Empty when it has no letter or digit."""
    return re.sub(r"[^\w]+", "-", name.casefold(), flags=re.UNICODE).strip("-_")[:60].rstrip("-_")


def with_support(record: Record, supported: dict[Evidence, bool]) -> Record:
    """A copy of the record in which each evidence says whether it is supported; unlisted ones are not."""

    def mark(value: Any) -> Any:
        if isinstance(value, Evidence):
            plain = value.model_copy(update={"supported": None})
            return value.model_copy(update={"supported": supported.get(plain, False)})
        if isinstance(value, RecordPart):
            return value.model_copy(update={name: mark(getattr(value, name)) for name in type(value).model_fields})
        if isinstance(value, tuple):
            return tuple(mark(item) for item in value)
        return value

    marked: Record = mark(record)
    return marked


def _walk(value: object, wanted: type[T], path: str = "") -> Iterator[tuple[str, T]]:
    """All parts of one class inside a part, depth first, each with its path."""
    if isinstance(value, wanted):
        yield path, value
    if isinstance(value, RecordPart):
        inner: list[tuple[object, object]] = [(name, getattr(value, name)) for name in type(value).model_fields]
    else:
        inner = list(enumerate(value)) if isinstance(value, tuple) else []
    for name, each in inner:
        yield from _walk(each, wanted, f"{path}.{name}" if path else str(name))
