"""Do an account's options fit together, as far as they mean the same on every channel?"""

import math
import re
from collections.abc import Mapping

MOST_HOURS = 8760  # a year
# An account goes along with each of its messages to whoever sends them, and with those of others.
MOST_BYTES = 16_384
OTHER = "other_account"
SWITCH = ("on", "off")
# What is said in one of a few words.
CHOICES = {
    "outside_window": ("human", "template", OTHER, "drop"),
    "undelivered": ("nothing", "human"),
    "unaddressed": ("known", "all"),
    "listen": ("true", "false"),
    "progressive": SWITCH,
    "progressive_in_groups": SWITCH,
    "signals": ("on", "typing", "off"),
}
# As browsers say it (https://www.rfc-editor.org/rfc/rfc6454#section-6.2): of any other no page ever is. Names below one
# are for frames.
_HOST = r"(?:\*\.)?[a-z0-9_.-]+|\[[0-9a-f:.]+\]"
_ORIGIN = re.compile(
    rf"null|\*|(?:http://(?:{_HOST})(?!:80/?$)|https://(?:{_HOST})(?!:443/?$))(?::[0-9]{{1,5}})?/?", re.I
)
NUMBERS = ("sends_per_second", "sends_burst", "chat_sends_per_second", "chat_sends_burst")


def violations(options: Mapping[str, str]) -> list[tuple[str, str]]:
    """Field and reason. What is not known here is the channel's business."""
    outside, template = options.get("outside_window", ""), options.get("template", "")
    other = options.get("other_account", "")
    checks = [
        *(
            (name, f"is none of {', '.join(words)}", options.get(name, "") not in ("", *words))
            for name, words in CHOICES.items()
        ),
        ("template", "is required where outside_window is template", outside == "template" and not template),
        ("other_account", f"is required where outside_window is {OTHER}", outside == OTHER and not other),
        ("template_variable", "goes with a template only", bool(options.get("template_variable")) and not template),
    ]
    most = options.get("max_queued", "")
    checks += [("max_queued", "is no whole number from 10 on", bool(most) and not _is_whole(most, least=10))]
    checks += [(name, "is no number from 0 on", not _is_number(options[name])) for name in NUMBERS if name in options]
    sites = re.split(r"[,\s]+", options.get("allowed_origins", ""))
    strange = any(each and not _ORIGIN.fullmatch(each) for each in sites)
    checks.append(
        ("allowed_origins", "holds what no browser calls an origin: https://shop.example and no path", strange)
    )
    hours = options.get("silent_after_hours", "")
    is_wrong = bool(hours) and not (hours.isascii() and hours.isdigit() and 1 <= int(hours[:6]) <= MOST_HOURS)
    checks.append(("silent_after_hours", f"is no whole number from 1 to {MOST_HOURS}", is_wrong))
    wrongs = [(f"account.options[{name}]", wrong) for name, wrong, failed in checks if failed]
    weight = sum(len(name.encode()) + len(value.encode()) for name, value in options.items())
    return wrongs if weight <= MOST_BYTES else [("account.options", f"are more than {MOST_BYTES} bytes"), *wrongs]


def _is_number(stated: str) -> bool:
    try:
        return 0 <= float(stated) < math.inf
    except ValueError:
        return False


def _is_whole(stated: str, *, least: int) -> bool:
    return stated.isascii() and stated.isdigit() and len(stated) < 10 and int(stated) >= least
