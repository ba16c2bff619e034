"""Which characters of a text do we keep? All but those that no database or proto string can hold."""


def clean(text: str) -> str:
    """The text without NUL (Postgres refuses it) and without lone surrogates (UTF-8 cannot write them)."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON may spell an astral character as two escapes; a pair that came apart is joined, the rest dropped.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return text
