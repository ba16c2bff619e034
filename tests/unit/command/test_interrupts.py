"""Does Ctrl-C end a command that waits for news, whichever thread the kernel gives the signal to?"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
WAITS = """
import asyncio, signal, threading, time
from kit.command import interrupts

def press():
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

async def work():
    threading.Thread(target=press).start()
    try:
        await asyncio.sleep(60)
    finally:
        print("tidied", flush=True)

try:
    interrupts.run(work())
except KeyboardInterrupt:
    print("interrupted")
"""
ASKS = """
import os, signal, threading, time
from kit.command import interrupts

def press():
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)

async def work():
    try:
        with interrupts.asking():
            threading.Thread(target=press).start()
            time.sleep(60)  # a prompt stands in the loop's way as this does
    finally:
        print("tidied", flush=True)

try:
    interrupts.run(work())
except KeyboardInterrupt:
    print("interrupted")
"""

TALKS = """
import os, signal, threading, time
from kit.command import chat, interrupts

def press():
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)

async def work():
    try:
        async for line in chat._lines():
            print(line, flush=True)
            threading.Thread(target=press).start()
    finally:
        print("tidied", flush=True)

try:
    interrupts.run(work())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("script", [WAITS, ASKS], ids=["waits", "asks"])
def test_a_command_ends_at_once_and_tidies_up(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=40, check=True
    )
    assert (done.stdout, done.stderr) == ("tidied\ninterrupted\n", "")


def test_a_talk_ends_at_once_though_more_could_be_typed() -> None:
    command = [sys.executable, "-c", TALKS]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=-1, stderr=-1, text=True) as talk:
        assert talk.stdin is not None
        talk.stdin.write("hello\n")
        talk.stdin.flush()
        try:
            talk.wait(40)
        finally:
            talk.kill()
        assert talk.communicate() == ("hello\ntidied\ninterrupted\n", "")
