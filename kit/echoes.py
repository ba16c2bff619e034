"""What is compared of a text that we send and one that its provider shows us again, so that no text is needed twice?"""

import hashlib

FILE = "file"  # of one without words


def shown(text: str, *, file: bool) -> str:
    """As AttemptRecord.shown has it; empty for what shows nothing. How much white space there is, providers decide."""
    words = " ".join(text.split())
    if not words:
        return FILE if file else ""
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:32]
