"""How does Slack keep files, and how are they put there? https://docs.slack.dev/messaging/working-with-files/

A place is asked for, the bytes are posted to it, and only then the file is shown in a conversation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from channels.payload import mapping, string
from sandbox.files import File, file_of
from sandbox.forms import filled, is_form
from sandbox.pictures import size_of
from sandbox.provider import Account, Ask, Reply

LARGEST = 1024 * 1024 * 1024
LOGIN = File("login.html", "text/html; charset=utf-8", b"<!DOCTYPE html><html><title>Slack</title>Sign in</html>")
_PRIVATE = re.compile(r"/files-pri/(?P<team>T[A-Z0-9]+)-(?P<id>F[A-Z0-9]+)/(download/)?[^/]*")
_UPLOAD = re.compile(r"/upload/v1/(?P<key>[0-9a-f]{40})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where bytes are awaited."""

    file_id: str
    name: str
    size_bytes: int


class Media:
    """Files of one workspace."""

    def __init__(self, account: Account, team_id: str) -> None:
        self._account = account
        self._team_id = team_id
        self._places: dict[str, Place] = {}

    def said(self, file: File, *, base_url: str) -> dict[str, Any]:
        """What an event says of a file that a person shared."""
        return self._described(self._keep(self._new_id(), file), base_url)

    def read(self, ask: Ask, *, is_ours: bool) -> Reply | None:
        """A file, for who may read it: others are shown the page to sign in. None of all other requests."""
        found = _PRIVATE.fullmatch(ask.path)
        if not found:
            return None
        file = self.get(found["id"])
        if not is_ours:
            return Reply(200, {}, file=LOGIN)
        return Reply(200, {}, file=file) if file else Reply(404, {"ok": False, "error": "file_not_found"})

    def put(self, ask: Ask) -> Reply | None:
        """The bytes of a file, at the place that was asked for; as they are, or in a form. None of other requests."""
        found = _UPLOAD.fullmatch(ask.path)
        place = self._places.get(found["key"]) if found else None
        if not found:
            return None
        content = next((each.content for each in filled(ask).files.values()), b"") if is_form(ask) else ask.body
        if not place or ask.method != "POST" or len(content) != place.size_bytes:
            return Reply(400, {}, file=File("", "text/plain", b"the upload does not match what was asked for"))
        self._keep(place.file_id, file_of(place.name, "", content=content))
        return Reply(200, {}, file=File("", "text/plain", f"OK - {len(content)}".encode()))

    def place(self, ask: Ask, asked: Mapping[str, Any]) -> dict[str, Any] | str:
        """Of files.getUploadURLExternal: where the bytes go, or the word of what is wrong."""
        name, length = string(asked.get("filename")), str(asked.get("length", ""))
        if not name or not length.isdigit() or not int(length):
            return "missing_argument"
        if int(length) > LARGEST:
            return "file_upload_size_restricted"
        key, file_id = self._account.draw(40), self._new_id()
        self._places[key] = Place(file_id, name, int(length))
        return {"ok": True, "upload_url": f"{ask.base_url}/upload/v1/{key}", "file_id": file_id}

    def info(self, ask: Ask, asked: Mapping[str, Any]) -> dict[str, Any] | str:
        """Of files.info."""
        file_id = string(asked.get("file"))
        known = self.get(file_id) is not None
        return {"ok": True, "file": self._described(file_id, ask.base_url)} if known else "file_not_found"

    def shared(self, asked: Mapping[str, Any]) -> dict[str, str] | str:
        """Of files.completeUploadExternal: ids with their titles."""
        stated = asked.get("files")
        try:
            wanted = orjson.loads(stated) if isinstance(stated, str) else stated
        except orjson.JSONDecodeError:
            return "invalid_arguments"
        named = {string(mapping(each).get("id")): string(mapping(each).get("title")) for each in wanted or ()}
        if not named:
            return "invalid_arguments"
        return named if all(map(self.get, named)) else "file_not_found"

    def get(self, file_id: str) -> File | None:
        """The file, while it is kept."""
        return self._account.shelf.get(f"slack:{file_id}")

    def _new_id(self) -> str:
        return f"F0{self._account.draw(8).upper()}"

    def _keep(self, file_id: str, file: File) -> str:
        self._account.shelf.put(f"slack:{file_id}", file)
        return file_id

    def _described(self, file_id: str, base_url: str) -> dict[str, Any]:
        file = self.get(file_id)
        assert file
        (width, height), url = size_of(file.content), f"{base_url}/files-pri/{self._team_id}-{file_id}"
        told: dict[str, Any] = {
            "id": file_id,
            "name": file.name,
            "title": file.name,
            "mimetype": file.bare_type,
            "mode": "hosted",
        }
        told |= {"filetype": file.extension.removeprefix("."), "size": len(file.content), "is_external": False}
        told |= {"created": int(self._account.now().timestamp()), "file_access": "visible"}
        told |= {"original_w": width, "original_h": height} if width else {}
        name = re.sub(r"[^a-z0-9._-]", "_", file.name.lower())
        return told | {"url_private": f"{url}/{name}", "url_private_download": f"{url}/download/{name}"}
