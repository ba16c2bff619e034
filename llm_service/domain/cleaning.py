"""What of a model's text may go on into the mesh?"""


def clean(text: str) -> str:
    """Without NUL, which Postgres refuses, and without lone surrogates, which UTF-8 has no bytes for."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")
