"""How is a text made to fit a variable of an approved WhatsApp template?

https://www.twilio.com/docs/api/errors/21656 and /63021, https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

import re

from channels.channel import TextLimit
from channels.splitting import split

LONGEST_VALUE = 1024
CUT = "…"
# No newline, no tab, no more than four spaces in a row; and nothing empty.
_GAP = re.compile(r"\s+")
NOTHING = "-"


def value(text: str) -> str:
    """The text on one line, cut where it is too long."""
    line = _GAP.sub(" ", text).strip() or NOTHING
    whole, *more = split(line, TextLimit(size=LONGEST_VALUE, unit="utf16")) or [NOTHING]
    if not more:
        return whole
    return split(line, TextLimit(size=LONGEST_VALUE - len(CUT), unit="utf16"))[0] + CUT
