"""What does it cost to render and split a reply of 4 KB, against splitting it as it was written? One process, no mesh.

Splitting as it was written, which was all before replies were formatted, is 1.00. A reply without any sign of Markdown
is not parsed; most replies are such.
"""

import time
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.table import Table

from channels.channel import Markup, TextLimit
from channels.rendering import render
from channels.splitting import split

SIZE = 4096
ROUNDS, QUICK_ROUNDS = 200, 50
BEST_OF = 5

PLAIN = "We are open from nine to five on working days, and on Saturdays until noon. Ask for Ann, she knows more. "
USUAL = """## How to come here

Take the **tram 4** to *Old Market*; the stop is in front of our door. See [the map](https://shop.example/map?from=tram).

1. Ring twice, and wait a moment: the bell is old.
2. Go up to the second floor, `room 12`.
   - the lift is on the left
   - with a pram, call us and we come down

> We close at **five**. What you leave at the door after that is safe until the next morning, as the porter takes it in.

Bring what you have of this: the receipt, the parts that came with it, and whatever stood on the label. That is all.
"""
DENSE = """| Day | Open |
| --- | --- |
| Mon | 9 |
| Tue | **10** |

```python
def hours(day: int) -> int:
    return 9 if day < 2 else 10
```

- **a** *b* `c` ~~d~~ [e](https://f.example/g_h) 2 * 3 < 4
"""
CHATS: tuple[tuple[Markup, TextLimit], ...] = (
    ("telegram", TextLimit(4096, "utf16")),
    ("whatsapp", TextLimit(1600, "utf16")),
    ("slack", TextLimit(4000, "utf16")),
    ("discord", TextLimit(2000, "utf16")),
    ("plain", TextLimit(1000, "bytes")),
)
TEXTS = (("no Markdown", PLAIN), ("usual Markdown", USUAL), ("dense Markdown", DENSE))


def show(console: Console, *, quick: bool) -> None:
    """Prints one table: microseconds of CPU per reply, and how many times what splitting alone costs."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    drawn = Table(title=f"rendering and splitting {SIZE:,} characters", title_justify="left")
    for head in ("written for", "text", "parts", "splitting us", "rendering us", "x splitting", "ns a character"):
        drawn.add_column(head, justify="left" if head in ("written for", "text") else "right")
    for markup, limit in CHATS:
        for name, piece in TEXTS:
            text = (piece * (SIZE // len(piece) + 1))[:SIZE]
            before = _micros(partial(split, text, limit), rounds)
            now = _micros(partial(render, text, markup, limit=limit), rounds)
            parts = len(render(text, markup, limit=limit))
            ratio, each = f"{now / before:,.0f}", f"{now * 1000 / SIZE:,.0f}"
            drawn.add_row(markup, name, str(parts), f"{before:,.0f}", f"{now:,.0f}", ratio, each)
    console.print(drawn)


def _micros(work: Callable[[], object], rounds: int) -> float:
    """CPU of one call; the best of a few, as others use the machine too."""
    return min(_once(work, rounds) for _ in range(BEST_OF))


def _once(work: Callable[[], object], rounds: int) -> float:
    began = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began) / rounds * 1e6
