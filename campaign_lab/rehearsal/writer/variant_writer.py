"""Writes the copy variants of one angle, one after the other. No two are alike, and every fact is a claim."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from campaign_lab.checks import breaches, graphemes, likeness, limit_of, sentences_in
from campaign_lab.checks.sameness import THRESHOLD
from campaign_lab.rehearsal.analyst.sentences import cues, language_of
from campaign_lab.rehearsal.writer.ad_texts import AdText, figures, fill, headlines, lowered, quotable
from campaign_lab.rehearsal.writer.typography import in_marks, is_speech, typeset

Record = dict[str, Any]
ROOMY = 70.0
"""Texts of one angle are less alike than this (0 to 100), if that can be had."""
_TONES = ("warm", "direct", "personal")
"""Traits of a voice that a closing phrase can share."""


class VariantWriter:
    """Writes the copy variants of one angle, each unlike those before it."""

    def __init__(
        self, angle: Mapping[str, Any], slots: Mapping[str, str], words: Mapping[str, Any],
        evidence: Sequence[Mapping[str, Any]], traits: Sequence[str],
    ) -> None:  # fmt: skip
        self.slots, self.words, self.set = slots, words, words[angle["motivation"]]
        self.evidence = evidence
        self.seed = zlib.crc32(f"{slots['brand']}|{angle['name']}|{angle['core_angle']}".encode())
        self.traits = [
            cue for trait, cue in cues(words["language"]).tables["voice"].items() if trait in traits and trait in _TONES
        ]
        self.shown = [{**claim, "text": typeset(claim["text"], words["language"])} for claim in evidence]
        self.spoken = language_of("\n".join(claim["text"] for claim in evidence))
        self.bodies = quotable(self.shown, limit_of("primary_text"), self.spoken)
        self.heads = headlines(self.shown, self.spoken)
        self.foreign = foreign([claim["text"] for claim in evidence], words["language"])
        self.used: set[int] = set()
        self.said: set[str] = set()
        self.made: list[Record] = []

    def write(self, place: int, count: int) -> Record | None:
        """The next copy variant; None when no claim or phrase is left."""
        primary = self._take("primary_text", self._primaries(place))
        headline = primary and self._take("headline", self._headlines(place, primary, count - place - 1))
        description = headline and self._take("description", self._phrases("descriptions", place))
        if primary is None or headline is None or description is None:
            return None
        claims = [dict(self.evidence[at]) for at in dict.fromkeys((*primary.claims, *headline.claims))]
        texts = {"headline": headline.text, "primary_text": primary.text, "description": description.text}
        self.made.append({**texts, "claims": claims})
        return self.made[-1]

    def _take(self, name: str, candidates: Iterable[AdText]) -> AdText | None:
        """The first candidate that fits, is clean and repeats no sentence; rather one unlike the texts before."""
        lines = [line for line in candidates if self._fits(name, line)]
        before = [record[name] for record in self.made] if name != "description" else []
        rooms = (line for most in (ROOMY, THRESHOLD) for line in lines if _unlike(line.text, before, most))
        taken = next(rooms, None)
        if taken is not None:
            self.used |= set(taken.claims)
            self.said |= _keys(taken.text)
        return taken

    def _fits(self, name: str, line: AdText) -> bool:
        fits = line.text and graphemes(line.text) <= limit_of(name) and not self.said & _keys(line.text)
        return bool(fits) and all(rule.id == "quoted_rate" for rule, _ in breaches(line.text, self.words["language"]))

    def _primaries(self, place: int) -> Iterator[AdText]:
        """A fresh claim with a phrase before or after it; then a claim again in another frame; then phrases alone."""
        hooks, closers = list(self._phrases("hooks", place)), list(self._phrases("closers", place))
        fresh = [body for body in self.bodies if not set(body.claims) & self.used]
        fresh.sort(key=lambda body: len(body.text) < 45 or body.claims[0] in {h.claims[0] for h in self.heads})
        for body in fresh:
            yield from self._around(body, hooks, closers, place)
        frames = [*self._phrases("frames", place, {"claim": "{claim}"})]
        for frame in frames:
            for body in self.bodies:
                framed = AdText(frame.text.replace("{claim}", self._framed(body)), body.claims)
                yield from _with(framed, [] if is_speech(body.text) else closers)
                yield framed
        for hook in hooks:
            yield from _with(hook, closers)

    def _around(self, body: AdText, hooks: list[AdText], closers: list[AdText], place: int) -> Iterator[AdText]:
        if body.claims[0] in self.foreign and not is_speech(body.text):
            for frame in _rotated(self.words["foreign"], self.seed + place):
                framed = AdText(frame.format(claim=self._framed(body)), body.claims)
                yield from _with(framed, closers)
                yield framed
            return
        after = _with(body, closers)
        before = [AdText(f"{hook.text} {body.text}", body.claims) for hook in hooks]
        if len(body.text) < 60 and not is_speech(body.text):
            pairs = zip(hooks, after, strict=False)
            yield from (AdText(f"{hook.text} {line.text}", body.claims) for hook, line in pairs)
        if is_speech(body.text):
            yield from before
        else:
            yield from before + after if (place + self.seed) % 2 else after + before
        yield body

    def _framed(self, body: AdText) -> str:
        """The text as it stands behind a colon."""
        if is_speech(body.text):
            return body.text
        foreign = body.claims[0] in self.foreign
        return in_marks(body.text, self.words["language"]) if foreign else lowered(body.text, self.words)

    def _headlines(self, place: int, primary: AdText, spare: int) -> Iterator[AdText]:
        """A short claim that no text needs; then a figure; then a phrase."""
        free = [head for head in self.heads if not set(head.claims) & self.used]
        left = [body for body in self.bodies if not set(body.claims) & self.used]
        if len(left) > spare:
            yield from (self._quoted(head) for head in free)
        figured = [line for line in figures(self.shown, self.spoken) if line.claims[0] not in self.foreign]
        own = [line for line in figured if line.claims != primary.claims]
        yield from (line for line in own if not set(line.claims) & self.used)
        yield from self._phrases("headlines", place)

    def _quoted(self, head: AdText) -> AdText:
        foreign = head.claims[0] in self.foreign and not is_speech(head.text)
        return AdText(in_marks(head.text, self.words["language"]), head.claims) if foreign else head

    def _phrases(self, name: str, place: int, extra: Mapping[str, str] | None = None) -> Iterator[AdText]:
        """The phrases of the motivation, in an order of this brand's own, those in the brand's tone first."""
        filled = [fill(template, {**self.slots, **(extra or {})}) for template in self.set[name]]
        ordered = _rotated([text for text in filled if text], self.seed + place)
        if name == "closers":
            ordered.sort(key=lambda text: not any(cue.search(text) for cue in self.traits))
        yield from (AdText(text) for text in ordered)


def foreign(texts: Sequence[str], language: str) -> set[int]:
    """Which of the texts are in another language. One too short to tell is in that of the others."""
    common = language_of("\n".join(texts))
    return {at for at, text in enumerate(texts) if language_of(text, common) != language}


def _with(text: AdText, closers: Sequence[AdText]) -> list[AdText]:
    """The text with each of the closing phrases."""
    return [AdText(f"{text.text} {closer.text}", text.claims) for closer in closers]


def _unlike(text: str, others: Sequence[str], most: float) -> bool:
    return all(likeness(text, other) < most for other in others)


def _rotated(items: Sequence[str], by: int) -> list[str]:
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]


def _keys(text: str) -> set[str]:
    """The sentences of a text, as they are compared."""
    return {" ".join(re.findall(r"\w+", sentence.casefold())) for sentence in sentences_in(text)}
