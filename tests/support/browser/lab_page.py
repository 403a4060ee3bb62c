"""LabPage: one browser page with one notebook in JupyterLab, in the words of somebody who works in it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

    from support.browser.jupyter import Jupyter

SIZE = {"width": 1400, "height": 1000}
OPEN_S, RUN_S, LOOK_S = 60.0, 120.0, 15.0
ICON = r"[\ue000-\uf8ff\s]*"
"""Icons are letters of a font of their own, and part of a button's name."""
NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden)"
FORGIVEN = ("_runOnIdleTime",)
"""Console errors of JupyterLab's own: it measures a cell that it has drawn, and by then the notebook may be closed."""
LOST = "widget model not found"
"""What ipywidgets says of a saved widget whose kernel has ended, if it is drawn before its cell has run again."""

EXPOSED = """document.addEventListener('readystatechange', () => {
    const settings = document.getElementById('jupyter-config-data');
    if (settings && document.readyState === 'interactive')
        settings.textContent = JSON.stringify({...JSON.parse(settings.textContent), exposeAppInBrowser: true}) })"""
"""The one thing that differs from what a user gets: the tests ask the page's application, instead of guessing from icons."""

READY = """path => {
    const panel = window.jupyterapp?.shell?.currentWidget, kernel = panel?.sessionContext?.session?.kernel;
    return !!kernel && panel.sessionContext.isReady && kernel.connectionStatus === 'connected' && kernel.status === 'idle'
        && panel.context?.isReady && panel.context.path === path && panel.content?.widgets?.length > 0 }"""
"""The icons say "idle" before the kernel is connected, so the application is asked."""

LEAVE = """() => { for (const widget of [...window.jupyterapp.shell.widgets('main')]) {
    if (widget.context) widget.context.model.dirty = false;  // or it would ask whether to save
    widget.close() } }"""

COMMAND = """([name, options]) => {
    window.campaignDone = null;
    window.jupyterapp.commands.execute(name, options).then(
        () => { window.campaignDone = 'done' }, error => { window.campaignDone = 'failed: ' + error }) }"""

ASK = """async code => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    let text, reply;
    do {  // asked just after a cell has failed, a kernel may throw the question away with what else was waiting
        text = '';
        const done = kernel.requestExecute({code, store_history: false});
        done.onIOPub = message => {
            const content = message.content;
            if (message.header.msg_type === 'execute_result') text += content.data['text/plain'];
            if (message.header.msg_type === 'stream') text += content.text;
            if (message.header.msg_type === 'error') text += content.ename + ': ' + content.evalue };
        reply = await done.done;
    } while (reply.content.status === 'aborted');
    return text }"""

CLOCK = """(area, words) => {
    const before = area.innerText, start = () => { begun ??= performance.now() };
    let begun = null;
    window.campaignClock = null;
    for (const kind of ['click', 'change']) area.addEventListener(kind, start, {capture: true, once: true});
    const watch = new MutationObserver(() => {
        if (begun === null || (words ? !area.innerText.includes(words) : area.innerText === before)) return;
        window.campaignClock = performance.now() - begun;
        watch.disconnect() });
    watch.observe(area, {subtree: true, childList: true, characterData: true}) }"""

SETTLED = """area => new Promise(settled => {
    let timer = setTimeout(settled, 300);
    new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(settled, 300) })
        .observe(area, {subtree: true, childList: true, characterData: true}) })"""

DRAWN = """cell => {
    const found = document.querySelector(cell), area = found?.querySelector('.jp-Cell-outputArea');
    found?.scrollIntoView({block: 'nearest'});
    return area && (area.innerText.trim() !== '' || area.querySelector('svg, img')) }"""
"""JupyterLab may put another element in the place of a cell's at any time, so the cell is looked up anew each time."""

names = itertools.count(1)


class LabPage:
    """A page of its own: own cookies, own workspace. What it asks of other machines is refused and kept in ``elsewhere``."""

    def __init__(self, browser: Browser, jupyter: Jupyter) -> None:
        self.jupyter = jupyter
        self.console: list[str] = []
        self.elsewhere: list[str] = []
        self.surprises: list[str] = []
        self._context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
        self._context.route("**/*", self._watched)
        self._context.add_init_script(EXPOSED)
        self.page = self._context.new_page()
        self.page.set_default_timeout(LOOK_S * 1000)
        self.page.on("console", lambda said: self._said(said.text, said.type))
        self.page.on("pageerror", lambda error: self._said(error.stack or str(error), "error"))
        self.page.on("websocket", lambda socket: self._connected(socket.url))
        self.page.on("dialog", self._asked)
        self._context.on("page", lambda page: self.surprises.append(f"a window: {page.url}"))
        self._path, self._name = "", f"auto-{next(names)}"
        self._only_saved = False
        """No cell has run yet with the kernel of now."""

    # -- what the page does by itself

    def _watched(self, route: Any) -> None:
        address = route.request.url
        if address.startswith((f"{self.jupyter.url}/", "data:", "blob:")):
            route.continue_()
        else:
            self.elsewhere.append(address)
            route.abort()

    def _connected(self, address: str) -> None:
        if not address.startswith(self.jupyter.url.replace("http", "ws", 1)):
            self.elsewhere.append(address)

    def _said(self, text: str, kind: str) -> None:
        forgiven = FORGIVEN + ((LOST,) if self._only_saved else ())
        if kind == "error" and not any(known in text for known in forgiven):
            self.console.append(text)

    def _asked(self, dialog: Any) -> None:
        if dialog.type == "beforeunload":  # JupyterLab asks before unsaved work is left
            dialog.accept()
            return
        self.surprises.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def expect_clean(self) -> None:
        """Nothing was asked of another machine, nothing went wrong in the page, no dialog and no window came up."""
        assert self.elsewhere == [], f"asked of other machines: {self.elsewhere}"
        assert self.surprises == [], f"came up: {self.surprises}"
        assert self.console == [], f"went wrong in the page: {self.console}"

    # -- opening, saving, closing

    def open(self, notebook: str) -> Self:
        """Opens a notebook, and waits till its kernel is idle. JupyterLab itself is loaded the first time only."""
        first, self._path = not self._path, notebook
        if first:
            return self._load()
        self.command("docmanager:open", OPEN_S, path=notebook, factory="Notebook")
        return self._opened()

    def _load(self) -> Self:
        self.page.goto(
            f"{self.jupyter.url}/lab/workspaces/{self._name}/tree/{self._path}?reset&token={self.jupyter.token}"
        )
        return self._opened()

    def leave(self) -> None:
        """Closes what is open without saving, and its kernels."""
        self.page.evaluate(LEAVE)
        self.jupyter.stop_kernels()

    def forget(self) -> None:
        """Begins anew to watch what the page does."""
        for heard in (self.console, self.elsewhere, self.surprises):
            heard.clear()

    def reload(self) -> Self:
        """Loads the page anew; the kernel goes on."""
        self.page.reload()
        return self._opened()

    def reopen(self) -> Self:
        """Shuts the kernel down and opens the saved notebook anew, as on the next morning."""
        self.page.goto("about:blank")  # a page that sees its kernel die draws its widgets once more, and finds no model
        self.jupyter.stop_kernels()
        self._only_saved = True
        return self._load()

    def _opened(self) -> Self:
        self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=OPEN_S * 1000)
        self.wait_till_idle(OPEN_S)
        return self.mark_cells()

    def wait_till_idle(self, seconds: float = RUN_S) -> None:
        """Waits till the kernel is connected and has nothing to do."""
        self.page.wait_for_function(READY, arg=self._path, timeout=seconds * 1000)

    def mark_cells(self) -> Self:
        """Writes each cell's id on its element, so that it can be looked for."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets"
            ".forEach(cell => { cell.node.dataset.id = cell.model.id })"
        )
        return self

    def save(self) -> None:
        """Saves the notebook."""
        self.command("docmanager:save", LOOK_S)

    def close(self) -> None:
        """Closes the page."""
        self._context.close()

    # -- running and editing

    def command(self, name: str, seconds: float = RUN_S, **options: Any) -> None:
        """One command of JupyterLab, waited for."""
        self.page.evaluate(COMMAND, [name, options])
        self.page.wait_for_function("() => window.campaignDone !== null", timeout=seconds * 1000)
        done = self.page.evaluate("() => window.campaignDone")
        assert done == "done", f"{name}: {done}"

    def run_all(self, seconds: float = RUN_S) -> Self:
        """Runs all cells. Fails with the traceback when a cell does."""
        self.command("notebook:run-all-cells", seconds)
        return self._ran(seconds)

    def run_cell(self, cell: str, seconds: float = RUN_S) -> Self:
        """Runs one cell."""
        self._select(cell)
        self.command("notebook:run-cell", seconds)
        return self._ran(seconds)

    def run_from(self, cell: str, seconds: float = RUN_S) -> Self:
        """Runs a cell and all below it."""
        self._select(cell)
        self.command("notebook:run-all-below", seconds)
        return self._ran(seconds)

    def start_cell(self, cell: str) -> Self:
        """Runs one cell without waiting for its end."""
        self._select(cell)
        self.page.evaluate(COMMAND, ["notebook:run-cell", {}])
        return self

    def _ran(self, seconds: float) -> Self:
        self.wait_till_idle(seconds)
        self._only_saved = False
        wrong = [
            f"{cell['id']}: {output['ename']}: {output['evalue']}"
            for cell in self.notebook()["cells"]
            for output in cell.get("outputs", [])
            if output["output_type"] == "error"
        ]
        assert wrong == [], wrong
        return self

    def _select(self, cell: str) -> None:
        found = self.page.evaluate(
            "id => { const notebook = window.jupyterapp.shell.currentWidget.content; notebook.deselectAll();"
            " return notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === id) }",
            cell,
        )
        assert found >= 0, f"no cell {cell!r}"

    def edit(self, cell: str, source: str) -> None:
        """Replaces a cell's text."""
        self._select(cell)
        self.page.evaluate(
            "text => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(text)", source
        )

    def ask(self, code: str) -> str:
        """What the kernel answers to code that stands in no cell."""
        return str(self.page.evaluate(ASK, code))

    # -- looking

    def notebook(self) -> dict[str, Any]:
        """The notebook as it stands now, as nbformat."""
        model: dict[str, Any] = self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.model.toJSON()")
        return model

    def output(self, cell: str, mime: str = "text/plain") -> str:
        """What a cell has put out, of one kind."""
        (found,) = (each for each in self.notebook()["cells"] if each["id"] == cell)
        texts = [
            each.get("text", "") or each.get("data", {}).get(mime, "")
            if mime == "text/plain"
            else each.get("data", {}).get(mime, "")
            for each in found["outputs"]
        ]
        return "".join("".join(text) for text in texts)

    def cell(self, cell: str) -> Locator:
        """A cell's element, scrolled into view: JupyterLab draws what is seen."""
        found = self.page.locator(f'{NOTEBOOK} .jp-Cell[data-id="{cell}"]')
        found.scroll_into_view_if_needed()
        return found

    def shown(self, cell: str) -> Locator:
        """The element of a cell's outputs."""
        return self.cell(cell).locator(".jp-Cell-outputArea")

    def text(self, cell: str) -> str:
        """What is seen of a cell's outputs, as soon as something is: JupyterLab draws when a cell comes into view."""
        self.cell(cell)
        self.page.wait_for_function(DRAWN, arg=f'{NOTEBOOK} .jp-Cell[data-id="{cell}"]')
        return self.shown(cell).inner_text()

    def wait_for(self, cell: str, text: str, seconds: float = LOOK_S) -> None:
        """Waits until a text is seen in a cell's output."""
        self.shown(cell).get_by_text(text).locator("visible=true").first.wait_for(timeout=seconds * 1000)

    # -- working with widgets

    def button(self, cell: str, label: str) -> Locator:
        """A button by what a person or a screen reader reads on it."""
        return self.shown(cell).get_by_role("button", name=re.compile(rf"^{ICON}{re.escape(label)}$"))

    def click(self, cell: str, label: str) -> None:
        """Clicks a button when it can be clicked."""
        self.button(cell, label).click()

    def fill(self, cell: str, label: str, text: str) -> None:
        """Writes into a field and leaves it."""
        field = self.shown(cell).get_by_label(label, exact=True)
        field.fill(text)
        field.blur()

    def choose(self, cell: str, label: str, option: str) -> None:
        """Chooses the first option of a list that has these words."""
        choices = self.shown(cell).get_by_label(label, exact=True)
        texts = [text.replace("\xa0", " ") for text in choices.locator("option").all_text_contents()]
        fitting = [at for at, text in enumerate(texts) if option in text]
        assert fitting, f"{option!r} is not in {texts}"
        choices.select_option(index=fitting[0])

    def value(self, cell: str, label: str) -> str:
        """What stands in a field."""
        return self.shown(cell).get_by_label(label, exact=True).input_value()

    def settled(self, cell: str) -> None:
        """Waits till a cell's output has not changed for a moment."""
        self.shown(cell).evaluate(SETTLED)

    def seconds(self, cell: str, act: Callable[[], None], words: str = "") -> float:
        """Clicks or chooses; how long it took, by the page's own clock, until the output says these words, or anything new."""
        self.shown(cell).evaluate(CLOCK, words)
        act()
        self.page.wait_for_function("() => window.campaignClock !== null")
        return float(self.page.evaluate("() => window.campaignClock")) / 1000

    # -- themes and pictures

    def theme(self, name: str) -> None:
        """``JupyterLab Light`` or ``JupyterLab Dark``."""
        self.command("apputils:change-theme", LOOK_S, theme=name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)

    def screenshot(self, path: Path) -> None:
        """What is seen now."""
        self.page.screenshot(path=path)
