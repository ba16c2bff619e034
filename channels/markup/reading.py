"""What does a text in Markdown say? Its blocks and spans, from what markdown-it-py makes of it."""

import re
from collections.abc import Callable, Iterator

from markdown_it.token import Token

from channels.markup.dialect import parser
from channels.markup.inlines import spans
from channels.markup.tree import Block, Code, Heading, Item, Listing, Paragraph, Quote, Rule, Span, Spans, Table

_SIGNS = re.compile(r"[*_~`#>|\[\]<&\\]|://|^[ \t]*(?:[-+]|[0-9]{1,9}[.)])(?:[ \t]|$)|^[ \t]*-{3}", re.MULTILINE)
_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,20}(?=\s|$)", re.ASCII)

Tokens = Iterator[Token]


def is_plain(text: str) -> bool:
    """Whether nothing in it is Markdown, as in most replies: it is kept to the letter."""
    return _SIGNS.search(text) is None


def read(text: str) -> tuple[Block, ...]:
    """The blocks, in order. Any text is Markdown, so nothing is raised."""
    if is_plain(text):
        return (Paragraph((Span(text),)),)
    return _blocks(iter(parser(text).parse(text)))


def _blocks(tokens: Tokens, end: str = "") -> tuple[Block, ...]:
    blocks: list[Block] = []
    for token in tokens:
        if token.type == end:
            break
        reader = _READERS.get(token.type)
        if reader:
            blocks.append(reader(token, tokens))
    return tuple(blocks)


def _inline(tokens: Tokens) -> Spans:
    """What stands between an opening token and its closing one."""
    found = spans(next(tokens).children or [])
    next(tokens)
    return found


def _listing(opened: Token, tokens: Tokens) -> Listing:
    end = opened.type.replace("open", "close")
    numbered = opened.type.startswith("ordered")
    items, tight = [], True
    for token in tokens:
        if token.type == end:
            break
        inside = list(_until("list_item_close", tokens, level=token.level))
        tight &= all(each.hidden for each in inside if each.type == "paragraph_open" and each.level == token.level + 1)
        items.append(Item(token.info + token.markup if numbered else "", _blocks(iter(inside))))
    return Listing(tuple(items), tight)


def _until(end: str, tokens: Tokens, *, level: int) -> Tokens:
    for token in tokens:
        if token.type == end and token.level == level:
            return
        yield token


def _table(_opened: Token, tokens: Tokens) -> Table:
    rows: list[list[Spans]] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(spans(token.children or []))
    return Table(tuple(tuple(row) for row in rows))


def _code(fence: Token, _tokens: Tokens) -> Code:
    """Behind the fence stands a language, and what else there is is no part of the text: unless it is the code itself,
    as small models write it in one line (``` npm start)."""
    content, behind = fence.content.strip("\n"), fence.info.strip()
    if len(behind.split()) > 1 and (fence.info[0].isspace() or not content):
        return Code("\n".join(filter(None, (behind, content))), "")
    language = _LANGUAGE.match(behind)
    return Code(content, language[0] if language else "")


_READERS: dict[str, Callable[[Token, Tokens], Block]] = {
    "paragraph_open": lambda _opened, tokens: Paragraph(_inline(tokens)),
    "heading_open": lambda _opened, tokens: Heading(_inline(tokens)),
    "blockquote_open": lambda _opened, tokens: Quote(_blocks(tokens, "blockquote_close")),
    "bullet_list_open": _listing,
    "ordered_list_open": _listing,
    "table_open": _table,
    "fence": _code,
    "hr": lambda _token, _tokens: Rule(),
}
