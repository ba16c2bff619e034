"""Does a person see the whole of what is listed, and may a program stop reading?"""

import os
import pty
import subprocess
import sys
from pathlib import Path

from kit.command.screen import printable

ROOT = Path(__file__).resolve().parents[3]
ID = "0199f3c2-7d5c-73c8-a5bb-ce366296c7ee"
LISTS = f"""
from kit.command.screen import table, whole_output
with whole_output():
    table(("turn", "since", "conversation"), [("{ID}", "today", "{ID}")])
"""


def test_no_id_is_cut_on_a_narrow_terminal() -> None:
    ours, theirs = pty.openpty()
    narrow = os.environ | {"COLUMNS": "40", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", LISTS], cwd=ROOT, env=narrow, stdout=theirs, timeout=40, check=True)
    os.close(theirs)
    assert os.read(ours, 4096).decode().count(ID) == 2
    os.close(ours)


def test_a_reader_that_has_enough_is_no_mistake() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", LISTS]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_strangers_write_steers_no_terminal_and_families_stay_together() -> None:
    assert printable("\x1b[2Jcl\u202eear 👨\u200d👩\u200d👧") == "[2Jclear 👨\u200d👩\u200d👧"
