"""How does Discord keep files, and which does it take? https://docs.discord.com/developers/reference#uploading-files"""

import re
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from channels.discord_ids import id_at
from channels.payload import parse_form, parse_json
from sandbox.files import File
from sandbox.forms import filled, is_form
from sandbox.pictures import size_of
from sandbox.provider import Account, Ask, Reply

LARGEST = 10 * 1024 * 1024  # where nobody paid for more
OPTION = 11  # the type of a command's option that is a file

_PATH = re.compile(r"/attachments/(?P<where>[0-9]{1,19})/(?P<id>[0-9]{1,19})/[^/]+")


class Media:
    """Files by their ids. Whoever was told the URL may read one."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def described(self, file: File, where: str, *, base_url: str) -> dict[str, Any]:
        """An attachment, which is read from now on."""
        number = id_at(self._account.now(), self._account.draw(16))
        self._account.shelf.put(f"discord:{number}", file)
        url = f"{base_url}/attachments/{where}/{number}/{quote(file.name, safe='')}?ex=1&is=1&hm={self._proof(number)}"
        told = {"id": number, "filename": file.name, "size": len(file.content), "content_type": file.media_type}
        width, height = size_of(file.content)
        return told | {"url": url, "proxy_url": url} | ({"width": width, "height": height} if width else {})

    def add(self, interaction: dict[str, Any], file: File, *, base_url: str) -> None:
        """As an option of the command that a person used; without words it stands alone."""
        given = self.described(file, interaction["channel_id"], base_url=base_url)
        data = interaction["data"]
        said = [each for each in data["options"] if each.get("value")]
        data["options"] = [*said, {"name": "file", "type": OPTION, "value": given["id"]}]
        data["resolved"] = {"attachments": {given["id"]: {**given, "ephemeral": True}}}

    def read(self, ask: Ask) -> Reply | None:
        """The bytes; None where no file is asked for."""
        found = _PATH.fullmatch(ask.path)
        if not found:
            return None
        file = self._account.shelf.get(f"discord:{found['id']}")
        known = file and parse_form(ask.query).first("hm") == self._proof(found["id"]) and ask.method == "GET"
        return Reply(200, {}, file=file) if known else Reply(404, {"message": "404: Not Found", "code": 0})

    def _proof(self, number: str) -> str:
        return sha256(f"{self._account.values['DISCORD_BOT_TOKEN']}{number}".encode()).hexdigest()


def asked(ask: Ask) -> tuple[dict[str, Any], File | None]:
    """What a message is to hold, and its file. Raises Unreadable."""
    if not is_form(ask):
        return parse_json(ask.body), None
    form = filled(ask)
    file = next((each for name, each in form.files.items() if name.startswith("files[")), None)
    return parse_json(form.fields.get("payload_json", "{}").encode()), file
