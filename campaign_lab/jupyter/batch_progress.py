"""Progress of ``await lab.batch(…)`` in its cell: the bar and the notebooks; nothing that differs in what is saved."""

from __future__ import annotations

from types import TracebackType

from campaign_lab.batch.events import BatchEvent, OnBatchEvent
from campaign_lab.jupyter.cell_progress import CellDisplay
from campaign_lab.panels.running.batch_lines import LiveBatch, ended_html


class BatchInCell:
    """The display of one batch."""

    def __init__(self) -> None:
        self._live = LiveBatch()
        self._display = CellDisplay("batch", self._html)

    def __enter__(self) -> OnBatchEvent:
        self._display.__enter__()
        return self.hear

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    def hear(self, event: BatchEvent) -> None:
        """Takes in one event. Called from any thread."""
        self._live.hear(event)
        self._display.mark()

    def _html(self) -> str:
        return self._live.html() + ended_html(self._live.board.ended)
