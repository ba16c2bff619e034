"""How does the command speak to a person? Plain lines, colours where they are wanted, a fix with every complaint."""

import errno
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDEST = 10_000
UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
ONE_CELL = str.maketrans("\n\t", "  ")
JOINERS = "\u200c\u200d"  # within emoji families, and words of Persian and of India: they steer nothing


class Mistake(Exception):
    """Something a person can mend. Shown as one line and its fix, without a traceback; ends the command with 2."""

    def __init__(self, what: str, *, fix: str = "", code: int = 2) -> None:
        super().__init__(what)
        self.fix = fix
        self.code = code


def say(text: str = "", style: str = "") -> None:
    """A line on standard output. Text is shown as it is: what people wrote is no markup."""
    Console(highlight=False, soft_wrap=True).print(Text(printable(text), style=style))


def complain(mistake: Mistake) -> None:
    """What went wrong and what to do, on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text("parley: ", style="bold red").append(printable(str(mistake)), style="not bold default"))
    if mistake.fix:
        console.print(Text("   fix: ", style="bold").append(printable(mistake.fix), style="not bold"))


@contextmanager
def whole_output() -> Iterator[None]:
    """What was said within is out at its end, with `?` for what the terminal has no sign for. A reader that has enough,
    such as `head`, is no mistake; what cannot be written is one."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # Python has none where it was closed before
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename or error.errno not in UNWRITABLE:
            raise
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe: Python flushes once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise Mistake(f"the output cannot be written: {error.strerror}") from None


def typed(words: Sequence[str]) -> list[str]:
    """What stands on the command line. Bytes that are no UTF-8 could be neither stored nor shown."""
    for each in words:
        if any("\udc80" <= letter <= "\udcff" for letter in each):
            raise Mistake(f"not UTF-8: {each.encode(errors='replace').decode()}", fix="type it in UTF-8")
    return list(words)


def printable(text: str) -> str:
    """What strangers wrote, without what would steer the terminal."""
    return "".join(each for each in text if each.isprintable() or each in "\n\t" + JOINERS)


def document(found: Mapping[str, object] | Sequence[object]) -> None:
    """For a program: one JSON document, times in UTC."""
    written = json.dumps(found, indent=2, ensure_ascii=False, default=lambda moment: moment.isoformat())
    sys.stdout.write(written + "\n")


def cell(value: object) -> str:
    """For a person: times as their own clock shows them."""
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return "" if value is None else str(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows for a person on a terminal, tab-separated rows for a program. A name with a line end in it is one cell."""
    rows = [[printable(cell.translate(ONE_CELL)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            sys.stdout.write("\t".join(row) + "\n")
        return
    drawn = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    # As wide as it must be: the terminal breaks lines, where a cut id could not be copied into the next command.
    needed = console.measure(drawn, options=console.options.update(width=WIDEST)).maximum
    Console(highlight=False, width=max(console.width, needed)).print(drawn)
