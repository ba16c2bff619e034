"""What is said of a database that is away, however often it is asked for?"""

import io
import json

from kit import logs
from kit.settings import Settings
from storage_service.backends.outages import Outage


def test_reasons_that_take_turns_are_said_once_each_until_it_is_back() -> None:
    said = io.StringIO()
    logs.configure(Settings(), "storage", stream=said)
    outage = Outage("storage", "database.lost")
    for _ in range(3):
        outage.met("it is starting, or stopping")
        outage.met("nothing listens at its host and port")
    outage.over()
    outage.over()
    outage.met("it is starting, or stopping")
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    starting, away = "it is starting, or stopping", "nothing listens at its host and port"
    assert [(each["event"], each.get("reason", "")) for each in lines] == [
        ("database.lost", starting),
        ("database.lost", away),
        ("database.back", ""),
        ("database.lost", starting),
    ]
