"""What is checked? Every Python module of the repository, parsed once."""

import ast
import gc
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "storage_service", "agent_service", "llm_service", "sender_service")
PACKAGES = ("kit", "channels", *SERVICES, "sandbox")
AROUND = ("tests", "bench", "scripts")


@dataclass(frozen=True)
class Module:
    """One file, as text and as a tree. The path is relative to the repository and uses slashes."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The top folder: a package of ours, or tests, bench, scripts."""
        return self.path.parts[0]

    @property
    def is_shipped(self) -> bool:
        return self.room in PACKAGES

    def under(self, *folders: str) -> bool:
        return any(str(self.path) == each or str(self.path).startswith(f"{each}/") for each in folders)

    def at(self, line: int, complaint: str) -> str:
        return f"{self.path}:{line}: {complaint}"

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All of the tree, walked once: each rule looks through it."""
        return tuple(ast.walk(self.tree))

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (n for n in self.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full dotted name of everything imported, `from a import b` as a.b."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = "." * node.level + (node.module or "")
                yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)

    @cached_property
    def comments(self) -> tuple[tuple[int, str], ...]:
        """Line and text of each."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return tuple((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)


def parse(path: str, text: str) -> Module:
    return Module(PurePosixPath(path), text, ast.parse(text))


@cache
def modules() -> tuple[Module, ...]:
    files = (file for room in (*PACKAGES, *AROUND) for file in sorted((ROOT / room).rglob("*.py")))
    wanted = (file for file in files if "node_modules" not in file.parts)
    gc.disable()  # a million nodes that stay: to look through them again and again takes five times as long as to parse
    try:
        return tuple(parse(file.relative_to(ROOT).as_posix(), file.read_text()) for file in wanted)
    finally:
        gc.freeze()
        gc.enable()


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return f"{start}.{node.attr}" if start else ""
    return ""
