"""The errors a user of campaign_lab can meet: one root, each says what, which value, and what to do next.

Every field is one of ``Exception.args``, too, and the text is made in ``__str__``, so that an error survives pickling on
its way out of a worker process.
"""

from __future__ import annotations

from dataclasses import dataclass

from campaign_lab.money import Sum

MOST_LISTED = 12
"""How many of the things that a name fits are listed."""


UNAVAILABLE = "store_unavailable"
"""The code of a StoreError that may pass by itself: somebody else uses the lab, or its server does not answer."""
REFUSED = "turn_refused"
"""The code of a TurnFailed that will not pass: the endpoint refuses the request, such as for its key, model or size."""
BUDGET_CODES = frozenset({"BudgetExceeded", "turn_budget"})
"""The codes of errors by which a budget refused a turn, or stopped one."""
PASSING_CODES = frozenset(
    {UNAVAILABLE, *(f"turn_{cause}" for cause in ("agent", "records", "api", "store", "process"))}
)
"""The codes of errors after which the same may go well a moment later."""


class LabError(Exception):
    """Root of all errors that campaign_lab raises on purpose.

    Programs decide by ``code``, which is the name of the class where the class says nothing else; the text may change.
    """

    code = "LabError"

    def __init_subclass__(cls) -> None:
        cls.code = vars(cls).get("code", cls.__name__)

    def __post_init__(self) -> None:
        super().__init__(*vars(self).values())


@dataclass(eq=False, repr=False)
class BriefError(LabError):
    """A brief that cannot be used. ``problems`` has one text a field: name, value, what is allowed."""

    problems: tuple[str, ...]
    where: str = ""

    def __str__(self) -> str:
        where = f" in {self.where}" if self.where else ""
        return f"The brief{where} cannot be used: {'; '.join(' '.join(each.split()) for each in self.problems)}"


class MarketUnknown(BriefError):
    """A brief that lacks nothing but its market: none was given, and neither the site's address nor the language names one."""


@dataclass(eq=False, repr=False)
class PageError(LabError):
    """A page that was not read: refused by our rules, or unreachable. The agent reads the text and goes on."""

    url: str
    reason: str

    def __str__(self) -> str:
        return f"{self.url} was not read: {self.reason}"


@dataclass(eq=False, repr=False)
class StoreError(LabError):
    """The lab cannot be opened or written. ``path`` is its file or its server's url, ``advice`` the next step.

    ``code`` is ``store_unavailable`` when it may go well a moment later, else ``StoreError``.
    """

    path: str
    reason: str
    advice: str
    code: str = "StoreError"

    def __str__(self) -> str:
        return f"The lab {'' if '://' in self.path else 'file '}{self.path} {self.reason}. {self.advice}"


@dataclass(eq=False, repr=False)
class NotFoundError(LabError):
    """Nothing of that name is here, or it is not yours to see: the two are not told apart."""

    what: str
    name: str
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        hint = f" Known: {', '.join(self.known)}." if self.known else ""
        return f"There is no {self.what} {self.name!r} here.{hint}"


@dataclass(eq=False, repr=False)
class AmbiguousName(LabError):
    """A name that means several things, so none was taken. ``fits`` are those, each under a name that means it alone."""

    what: str
    name: str
    fits: tuple[str, ...]

    def __str__(self) -> str:
        more = f"; and {len(self.fits) - MOST_LISTED} more" if len(self.fits) > MOST_LISTED else ""
        listed = "; ".join(self.fits[:MOST_LISTED])
        head = f"{self.name!r} fits {len(self.fits)} {self.what}s, so none was taken"
        return f"{head}: {listed}{more}. Give one of these names, or an id."


@dataclass(eq=False, repr=False)
class PhaseOrderError(LabError):
    """A phase was asked for before the records that it stands on exist.

    ``missing`` is what the turns before it looked for in vain, where they were run and made no such record.
    """

    phase: str
    needs: tuple[str, ...]
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.missing:
            return (
                f"The phase {self.phase!r} needs {' and '.join(self.needs)}, and none could be made: "
                f"{'; '.join(line.rstrip('.') for line in self.missing)}. "
                "Give a site, or a folder of saved pages, that says more."
            )
        return (
            f"The phase {self.phase!r} needs {' and '.join(self.needs)} before it. "
            f"Run the phase that makes {self.needs[0]} first, or fork from a checkpoint that has it."
        )


@dataclass(eq=False, repr=False)
class ReplayMiss(LabError):
    """Nothing stored answers this turn, and the caller wanted no new one. ``reasons`` name what differs."""

    phase: str
    reasons: tuple[str, ...]
    estimate_usd: float | None = None

    def __str__(self) -> str:
        price = "" if self.estimate_usd is None else f" Running it anew would cost about ${self.estimate_usd:.4f}."
        return (
            f"The phase {self.phase!r} has no stored turn to replay: {'; '.join(self.reasons)}.{price} "
            "Nothing was sent. Run it with on_miss='run' to pay for a new turn."
        )


@dataclass(eq=False, repr=False)
class TurnFailed(LabError):
    """A turn did not end well. The conversation before it is untouched; what was sent stays booked.

    ``cause`` is one of ``site`` (no page of the brand's own site could be read), ``agent``, ``records``, ``api``,
    ``budget``, ``store``, ``process``, ``cancelled``. ``code`` is ``turn_refused``, or else ``turn_`` and the cause.
    ``spent`` is what the attempt cost, None when nothing is known of it.
    """

    phase: str
    cause: str
    reason: str
    kept: str = ""
    spent: Sum | None = None
    code: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.code = self.code or f"turn_{self.cause}"

    @property
    def spent_usd(self) -> float | None:
        """The dollars of ``spent`` that are known."""
        return None if self.spent is None else self.spent.known

    def __str__(self) -> str:
        spent = "" if self.spent is None else f" The attempt cost {self.spent}."
        kept = f" {self.kept}" if self.kept else ""
        again = "when the site can be read" if self.cause == "site" else "to try from the checkpoint before it"
        return f"The phase {self.phase!r} failed: {self.reason}.{spent}{kept} Run it again {again}."


@dataclass(eq=False, repr=False)
class EndpointError(LabError):
    """The endpoint that should answer cannot be used as it is set up."""

    endpoint: str
    reason: str

    def __str__(self) -> str:
        return f"The endpoint {self.endpoint!r} cannot answer: {self.reason}"


@dataclass(eq=False, repr=False)
class SessionExpired(LabError):
    """The session has not been worked on for longer than its life. Its turns still replay; nothing new is sent."""

    session: str
    since: str

    def __str__(self) -> str:
        return (
            f"The session {self.session!r} expired at {self.since}; nothing was sent. lab.session(brief) gives a fresh one "
            "that replays its turns for nothing and goes on from there; session.pin() keeps one alive for good."
        )


@dataclass(eq=False, repr=False)
class TranscriptGone(LabError):
    """The conversation before this turn was swept; its records are kept, but it cannot be gone on with."""

    session: str
    phase: str
    estimate_usd: float | None

    def __str__(self) -> str:
        price = "at a price that is not known" if self.estimate_usd is None else f"for about ${self.estimate_usd:.4f}"
        return (
            f"The conversation of {self.session!r} was swept, so the phase {self.phase!r} cannot go on from it; nothing was "
            f'sent. Its records still replay. Research again {price}: lab.session(brief, name="again").'
        )


@dataclass(eq=False, repr=False)
class BudgetExceeded(LabError):
    """A run would go over a budget, so it was not started. Sums are US dollars; no estimate: the model has no known price."""

    scope: str
    limit_usd: float
    spent: Sum
    estimate_usd: float | None

    @property
    def spent_usd(self) -> float:
        """The dollars of ``spent`` that are known."""
        return self.spent.usd

    def __str__(self) -> str:
        if self.estimate_usd is None:
            return (
                f"The budget of ${self.limit_usd:.4f} for this {self.scope} cannot be held: the price of the model is not known. "
                "Nothing was sent. Name a price table in CAMPAIGN_LAB_PRICES, or run without a budget."
            )
        spent = "spent or under way" if self.scope == "batch" else "spent"
        return (
            f"The budget of ${self.limit_usd:.4f} for this {self.scope} does not allow it: {self.spent} {spent}, and "
            f"the run is estimated at ${self.estimate_usd:.4f}. Nothing was sent. Raise the budget, or run less at once."
        )
