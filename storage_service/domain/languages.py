"""How is the language of a contact kept? As one small document, under the contract's own names."""

import orjson

from parley.storage.v1.conversation_change_pb2 import Language


def stored(language: Language) -> str:
    return orjson.dumps({field.name: value for field, value in language.ListFields()}).decode()


def read(document: str) -> Language:
    return Language(**orjson.loads(document))
