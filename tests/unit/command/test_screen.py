"""Does a person see the whole of what is listed, and may a program stop reading?"""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from kit.command.screen import Mistake, complain, printable, table

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


def test_output_that_cannot_be_written_is_one_line() -> None:
    done = _parley("version", stdout=Path("/dev/full"))
    assert (done.returncode, done.stderr) == (2, "parley: the output cannot be written: No space left on device\n")


def test_a_command_whose_output_was_closed_ends_as_ever() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m kit.command version >&-', sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_a_sign_shows_a_question_mark_in_its_place() -> None:
    told = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "kit.command", "deliveries", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "deliveries --state unknown ? parley deliveries retry 0199f3c2-?" in " ".join(done.stdout.split())


def test_what_is_typed_in_no_utf8_is_one_line() -> None:
    done = _parley("keys", "create", b"caf\xe9", "--scope", "x")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "parley: not UTF-8: caf?")


@pytest.mark.parametrize("url", ["http://[::", "localhost:8080", "ftp://localhost", "http://"])
def test_an_address_that_is_none_is_one_line(url: str, tmp_path: Path) -> None:
    done = _parley("chat", "--url", url, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"parley: '{url}' is no address of a gateway\n")


def test_up_refuses_a_port_that_nobody_could_be_told(tmp_path: Path) -> None:
    done = _parley("up", "--http-port", "0", folder=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "parley: parley up needs a port that is known before")


def test_a_sandbox_that_has_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = _parley("up", "--sandbox", "--data-dir", "file/data", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("parley: file/data/sandbox/sandbox.env cannot be written: Not a directory\n")


def test_a_name_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table(["name"], [["\x1b[31mred"]])
    complain(Mistake("no \x1b[31mred", fix="\x1b[2J"))
    shown = capsys.readouterr()
    assert "\x1b[31m" not in shown.out + shown.err


def test_a_name_of_several_lines_is_one_cell_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    table(["key", "name"], [["1", "a\tb\nc"]])
    assert capsys.readouterr().out == "key\tname\n1\ta b c\n"


def _parley(*words: str | bytes, stdout: Path | None = None, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "kit.command", *words]
    away = os.environ | {"PYTHONPATH": str(ROOT)}
    with (stdout or Path(os.devnull)).open("w") as out:
        return subprocess.run(
            command, cwd=folder, env=away, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
