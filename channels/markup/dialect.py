"""Which Markdown do we read? CommonMark with tables and ~~strikes~~, and without what would lose a model's words.

https://spec.commonmark.org/ · https://github.github.com/gfm/ · https://markdown-it-py.readthedocs.io/
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import escapedSplit, getLine, table
from markdown_it.rules_inline import StateInline

from channels.markup import addresses, cjk

# Of a text beyond these, brackets or bars stay text: reading them takes long, and they are no links and no tables.
MOST_BRACKETS = 1000
MOST_CELLS = 4000  # the library fills rows that are shorter than the widest
DEEPEST = 24  # levels; a quote is one, a list two. markdown-it-py drops what stands deeper than its own limit
_LIBRARY_DEEPEST = DEEPEST + 6

# These stay text as they stand: indented code and underlined headings, which models write by accident more often than
# not, references, which vanish when nobody refers to them, and HTML.
_NOT_READ = ["code", "lheading", "reference", "html_block", "html_inline"]
_TIMES = re.compile(r"\*(?=[A-Za-z0-9])|\*\*(?=[0-9])", re.ASCII)
_BEFORE_TIMES = re.compile(r"[A-Za-z0-9]\*(?!\*)|[0-9]\*\*", re.ASCII)


def parser(text: str) -> MarkdownIt:
    """The one for this text."""
    links = text.count("[") <= MOST_BRACKETS
    bars = [line.count("|") for line in text.split("\n") if "|" in line]
    return _PARSERS[links, max(bars, default=0) * len(bars) <= MOST_CELLS]


def _made(*, links: bool, tables: bool) -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": _LIBRARY_DEEPEST})
    made.enable(["strikethrough", *(["table"] if tables else [])])
    made.disable(_NOT_READ + ([] if links else ["link", "image"]))
    made.block.ruler.at("table", _whole_table, {"alt": ["paragraph", "reference"]})
    made.block.ruler.before("fence", "too_deep", _too_deep)
    made.inline.ruler.before("newline", "address", addresses.rule)
    made.inline.ruler.before("emphasis", "times", _times)
    made.inline.ruler.before("emphasis", "cjk", cjk.rule)
    # A person reads what the model wrote: nothing is percent-encoded here.
    made.normalizeLink = _as_written  # type: ignore[method-assign, assignment]  # the library's way to say so
    made.normalizeLinkText = _as_written  # type: ignore[method-assign]  # as above, for <https://…>
    return made


def _as_written(link: str) -> str:
    return link


def _whole_table(state: StateBlock, line: int, *rest: int) -> bool:
    """The library's rule, but where a row has more cells than there are heads, which it would drop, all stays text."""
    before, (end, silent) = len(state.tokens), rest
    if not table(state, line, end, bool(silent)):
        return False
    if silent:
        return True
    heads = sum(token.type == "th_open" for token in state.tokens[before:])
    if all(_cells(getLine(state, row)) <= heads for row in range(line + 2, state.line)):
        return True
    del state.tokens[before:]
    state.line = line
    return False


def _cells(row: str) -> int:
    cells = escapedSplit(row.strip())
    return len(cells) - (not cells[0]) - (len(cells) > 1 and not cells[-1])


def _too_deep(state: StateBlock, line: int, *rest: int) -> bool:
    """What is nested deeper than anybody reads is one paragraph, not nothing."""
    end, silent = rest
    if silent or state.level < DEEPEST:
        return False
    state.line = end
    state.push("paragraph_open", "p", 1).map = [line, end]
    inline = state.push("inline", "", 0)
    inline.content, inline.children = state.getLines(line, end, state.blkIndent, False).strip(), []
    state.push("paragraph_close", "p", -1)
    return True


def _times(state: StateInline, silent: bool) -> bool:
    """2*3*4 and 2**10 are sums, not emphasis, whatever CommonMark says."""
    found = _TIMES.match(state.src, state.pos)
    if not found or not _BEFORE_TIMES.match(state.src, max(0, state.pos - 1)):
        return False
    if not silent:
        state.pending += found[0]
    state.pos = found.end()
    return True


_PARSERS = {(links, tables): _made(links=links, tables=tables) for links in (True, False) for tables in (True, False)}
