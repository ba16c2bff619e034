"""How large is a picture? Read from its first bytes: PNG, GIF and JPEG say so."""

_START, _FRAMES = 2, frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) of what says nothing."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    if content.startswith(b"GIF8") and len(content) >= 10:
        return int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    return _of_jpeg(content) if content.startswith(b"\xff\xd8") else (0, 0)


def _of_jpeg(content: bytes) -> tuple[int, int]:
    """From segment to segment, to the one that begins a frame."""
    at = _START
    while at + 9 <= len(content) and content[at] == 0xFF:
        if content[at + 1] in _FRAMES:
            return int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7])
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return 0, 0
