"""Do an account's options fit together, as far as they mean the same on every channel?"""

import math
from collections.abc import Mapping

LISTEN = ("true", "false")
UNADDRESSED = ("known", "all")
MOST_HOURS = 8760  # a year
OUTSIDE_WINDOW = ("human", "template", "other_account", "drop")
OTHER = "other_account"
SIGNALS = ("on", "typing", "off")
NUMBERS = ("sends_per_second", "sends_burst", "chat_sends_per_second", "chat_sends_burst")
SWITCH, SWITCHES = ("on", "off"), ("progressive", "progressive_in_groups")


def violations(options: Mapping[str, str]) -> list[tuple[str, str]]:
    """Field and reason. What is not known here is the channel's business."""
    outside, template = options.get("outside_window", ""), options.get("template", "")
    listens, unaddressed = options.get("listen", ""), options.get("unaddressed", "")
    other = options.get("other_account", "")
    checks = [
        ("outside_window", f"is none of {', '.join(OUTSIDE_WINDOW)}", outside not in ("", *OUTSIDE_WINDOW)),
        ("template", "is required where outside_window is template", outside == "template" and not template),
        ("other_account", f"is required where outside_window is {OTHER}", outside == OTHER and not other),
        ("template_variable", "goes with a template only", bool(options.get("template_variable")) and not template),
        ("unaddressed", f"is none of {', '.join(UNADDRESSED)}", unaddressed not in ("", *UNADDRESSED)),
        ("listen", f"is none of {', '.join(LISTEN)}", listens not in ("", *LISTEN)),
        *((name, f"is none of {', '.join(SWITCH)}", options.get(name, "") not in ("", *SWITCH)) for name in SWITCHES),
        ("signals", f"is none of {', '.join(SIGNALS)}", options.get("signals", "") not in ("", *SIGNALS)),
    ]
    most = options.get("max_queued", "")
    checks += [("max_queued", "is no whole number from 10 on", bool(most) and not _is_whole(most, least=10))]
    checks += [(name, "is no number from 0 on", not _is_number(options[name])) for name in NUMBERS if name in options]
    hours = options.get("silent_after_hours", "")
    is_wrong = bool(hours) and not (hours.isascii() and hours.isdigit() and 1 <= int(hours[:6]) <= MOST_HOURS)
    checks.append(("silent_after_hours", f"is no whole number from 1 to {MOST_HOURS}", is_wrong))
    return [(f"account.options[{name}]", wrong) for name, wrong, failed in checks if failed]


def _is_number(stated: str) -> bool:
    try:
        return 0 <= float(stated) < math.inf
    except ValueError:
        return False


def _is_whole(stated: str, *, least: int) -> bool:
    return stated.isascii() and stated.isdigit() and len(stated) < 10 and int(stated) >= least
