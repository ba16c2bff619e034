"""What does models.toml say, and has it changed? It is read at the start, and again whenever it is another file."""

from pathlib import Path

from llm_service.backends.wire import is_url
from llm_service.domain.addresses import NO_HOST
from llm_service.domain.catalogue import Catalogue, CatalogueError, read


class ModelsFile:
    """The file at a path. `required` when an operator named it: then it must be there."""

    def __init__(self, path: Path, *, required: bool) -> None:
        self._path = path
        self._required = required
        self._seen: tuple[int, int, int] | None = None

    @property
    def name(self) -> str:
        """As it is called in what people read."""
        return self._path.name

    def there(self) -> bool:
        """Whether it counts: it is there, or an operator named it."""
        return self._required or self._path.is_file()

    def read(self) -> Catalogue:
        """What it says now; CatalogueError when that is wrong."""
        self._seen = self._mark()
        if self._seen is None and self._required:
            raise CatalogueError(f"MODELS_FILE: there is no file {self._path}")
        try:
            text = self._path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CatalogueError(f"{self._path}: cannot be read ({type(error).__name__})") from None
        return _reached(read(text, file=self.name), file=self.name)

    def changed(self) -> bool:
        """Whether it is another file than the one that was read, or the first. One that is gone has not changed."""
        mark = self._mark()
        return mark is not None and mark != self._seen

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _reached(catalogue: Catalogue, *, file: str) -> Catalogue:
    """The same, when every server of it has an address."""
    for name, server in catalogue.backends.items():
        if server.base_url is not None and not is_url(server.base_url):
            raise CatalogueError(f"{file}: backends.{name}.base_url: {NO_HOST}")
    return catalogue
