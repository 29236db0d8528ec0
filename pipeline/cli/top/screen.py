"""Draws on a terminal and reads its keys, and restores the terminal at the end.

Plain ANSI: the alternate screen, no cursor, one write for each picture. The terminal is restored
whatever ends the program (a key, an error, Ctrl-C, SIGTERM, SIGHUP), and while Ctrl-Z suspends it.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, Final

from pipeline.cli.top.table import Line, Style

_BEGIN: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
_END: Final = "\x1b[0m\x1b[?25h\x1b[?1049l"
_STYLES: Final[dict[Style, str]] = {
    "": "", "head": "\x1b[1m", "focus": "\x1b[7m", "bad": "\x1b[31m", "dim": "\x1b[2m",
}  # fmt: skip

_KEYS: Final = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left",
    "\x1bOA": "up", "\x1bOB": "down", "\x1bOC": "right", "\x1bOD": "left",
    "\x1b[5~": "pageup", "\x1b[6~": "pagedown", "\x1b[Z": "backtab",
    "\x1b[H": "home", "\x1b[F": "end", "\x1bOH": "home", "\x1bOF": "end",
    "\x1b[1~": "home", "\x1b[4~": "end", "\x1b[7~": "home", "\x1b[8~": "end",
    "\t": "tab", "\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace",
    "\x1b": "escape",
}  # fmt: skip
_ONE_KEY: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|.", re.DOTALL)

ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


def keys(typed: bytes) -> Iterator[str]:
    """The keys in what was typed: characters, and names such as `up`, `enter` and `escape`.

    Unknown escape sequences are left out.
    """
    for key in _ONE_KEY.findall(typed.decode("utf-8", "replace")):
        name = _KEYS.get(key, key)
        if not name.startswith("\x1b"):
            yield name


class Screen:
    """A context manager that takes over a terminal.

    `input` and `output` are file descriptors of that terminal. Use it in the main thread, since it
    handles signals.
    """

    def __init__(self, input: int = 0, output: int = 1) -> None:
        self._input, self._output = input, output
        self._colour = not os.environ.get("NO_COLOR")
        self._before: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._drawn: tuple[list[Line], os.terminal_size] | None = None

    def __enter__(self) -> Screen:
        self._before = termios.tcgetattr(self._input)
        for number in ENDING:
            self._handlers[number] = signal.signal(number, _end)
        self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)
        try:
            self._take()
        except BaseException:
            self._give_back()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in ENDING:  # a second signal must not prevent the clean-up
            signal.signal(number, signal.SIG_IGN)
        try:
            self._give_back()
        finally:
            for handled, handler in self._handlers.items():
                signal.signal(handled, handler)

    def _take(self) -> None:
        tty.setcbreak(self._input)
        self._drawn = None
        self._write(_BEGIN)

    def _give_back(self) -> None:
        """Restores the terminal. Errors don't matter: the terminal may be gone."""
        try:
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
            self._write(_END)
        except (OSError, termios.error):
            pass

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)  # continues here after `fg`
        signal.signal(signal.SIGTSTP, self._suspend)
        self._take()

    # -------------------------------------------------------------------- picture and keys

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines of the terminal now; 80 by 24 if it doesn't say."""
        size = os.get_terminal_size(self._output)
        return os.terminal_size((size.columns or 80, size.lines or 24))

    def draw(self, lines: Sequence[Line]) -> None:
        """Draws the whole screen, one item for each line. Writes nothing if nothing changed."""
        picture = list(lines), self.size
        if picture == self._drawn:
            return
        self._drawn = picture
        rows = [self._painted(line) + "\x1b[K" for line in lines]
        self._write("\x1b[H" + "\r\n".join(rows) + "\x1b[J")

    def _painted(self, line: Line) -> str:
        style = _STYLES[line.style]
        if not self._colour and line.style == "bad":
            style = "\x1b[1m"
        return f"{style}{line.text}\x1b[0m" if style else line.text

    def _write(self, text: str) -> None:
        data = text.encode(sys.stdout.encoding or "utf-8", "replace")
        while data:
            data = data[os.write(self._output, data) :]

    def read(self, seconds: float, *others: int) -> list[str]:
        """The keys that were typed, by the names that `keys` gives.

        Waits up to `seconds`, or until one of `others` (file descriptors) is readable. Raises
        `EOFError` when the terminal is gone.
        """
        ready, _, _ = select.select([self._input, *others], [], [], seconds)
        if self._input not in ready:
            return []
        typed = os.read(self._input, 1024)
        if not typed:
            raise EOFError
        if typed.endswith(b"\x1b") and select.select([self._input], [], [], 0.05)[0]:
            typed += os.read(self._input, 1024)  # the rest of an escape sequence
        return list(keys(typed))


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
