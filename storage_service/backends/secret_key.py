"""Where is the key that seals secrets, when the operator names none? In the data folder, made at the first start."""

import os
from collections.abc import Callable
from pathlib import Path

from kit.settings import SettingsError
from storage_service.domain.sealing import KEY_BYTES, BadKeys, Keyring, format_key, parse_keys

FILE = "secret.key"
KEY_ID = "local"


def open_keyring(listed: str, data_dir: Path, *, random_bytes: Callable[[int], bytes]) -> Keyring:
    """What opens and seals secrets. SettingsError where there are no keys for it, and none can be kept."""
    try:
        return Keyring(read_keys(listed, data_dir, random_bytes=random_bytes), random_bytes=random_bytes)
    except (BadKeys, UnicodeError) as wrong:
        said = str(wrong) if isinstance(wrong, BadKeys) else "it is no text"
        if listed.strip():
            raise SettingsError(f"SECRET_KEYS: {said}") from None
        raise SettingsError(f"{data_dir / FILE}: {said}; put your copy of it in its place") from None
    except OSError as error:
        kept = f"it is not set, and no key can be kept in {data_dir}"
        raise SettingsError(f"SECRET_KEYS: {kept}: {type(error).__name__}") from None


def read_keys(listed: str, data_dir: Path, *, random_bytes: Callable[[int], bytes]) -> dict[str, bytes]:
    """The keys of SECRET_KEYS, or else the data folder's own. A file that is already there is never written over."""
    return parse_keys(listed) or parse_keys(_of_folder(data_dir, random_bytes))


def has_keys(data_dir: Path) -> bool:
    """Whether the data folder has its own already."""
    return (data_dir / FILE).exists()


def _of_folder(data_dir: Path, random_bytes: Callable[[int], bytes]) -> str:
    path = data_dir / FILE
    if not has_keys(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        _write_once(path, format_key(KEY_ID, random_bytes(KEY_BYTES)))
    return path.read_text().strip()


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all: written beside, then linked, which fails when another process was first."""
    draft = path.with_name(f"{FILE}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
