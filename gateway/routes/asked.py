"""What does a request to the REST API say? Its body, read once under a limit, and what it does not fit to."""

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from gateway import body as bodies
from kit import errors

MOST_BODY_BYTES = 128 * 1024  # 8,000 emoji as JSON in ASCII are 96 kB
AnyModel = TypeVar("AnyModel", bound=BaseModel)


async def read(request: Request, *, most: int = MOST_BODY_BYTES) -> bytes:
    """Raises TooLarge."""
    try:
        return await bodies.read(request.scope, request.receive, most=most)
    except bodies.TooLarge:
        raise errors.TooLarge from None


def parsed(model: type[AnyModel], content: bytes) -> AnyModel:
    """Raises InvalidField with what is wrong where; no value is repeated."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        wrong = [(".".join(map(str, each["loc"])) or "body", each["msg"]) for each in error.errors()]
        raise errors.InvalidField(wrong) from None
