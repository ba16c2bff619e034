"""Are the longest messages of Telegram's taken in? https://core.telegram.org/bots/api#rich-message-limits"""

import json
from typing import Any

from channels.channel import Webhook
from channels.telegram import Telegram
from kit.moments import utc_now

CHARACTERS, BLOCKS, FILES = 32_768, 500, 50


def longest(number: int) -> dict[str, Any]:
    """A rich message that is full, of emoji: each is written as two escapes of six bytes."""
    each = CHARACTERS // BLOCKS
    blocks: list[dict[str, Any]] = [{"type": "paragraph", "text": "\U0001f44d" * each} for _ in range(BLOCKS - FILES)]
    sizes = [{"file_id": "f" * 90, "file_unique_id": "u" * 16, "width": 1280, "height": 960, "file_size": 90_000}] * 4
    blocks += [{"type": "photo", "photo": sizes, "caption": {"text": "\U0001f44d" * each}} for _ in range(FILES)]
    person = {"id": 1, "is_bot": False, "first_name": "Ann"}
    return {"message_id": number, "from": person, "chat": {**person, "type": "private"}, "date": 1_795_240_800} | {
        "rich_message": {"blocks": blocks}
    }


def test_the_longest_message_that_answers_another_such_is_not_too_large_and_nothing_of_its_text_is_cut() -> None:
    body = json.dumps({"update_id": 1, "message": {**longest(43), "reply_to_message": longest(42)}}).encode()
    assert 262_144 < len(body) <= Telegram.capabilities.largest_webhook
    (said,) = Telegram().decode(Webhook("POST", "", {}, body, utc_now())).messages
    assert said.text.count("\U0001f44d") == CHARACTERS // BLOCKS * BLOCKS
