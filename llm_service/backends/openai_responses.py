"""How is the Responses API asked? https://platform.openai.com/docs/api-reference/responses

The server may hold the conversation itself: it is made once, from what was said before, and then only what is new is
sent. Its id travels as `<backend>/<id>`, so that an id of another backend, or none, begins a new conversation.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from kit.errors import ModelGarbage, ModelUnavailable, ModelUnknown, ModelUnsupported
from llm_service.backends.openai_models import listed, no_pulling, tool
from llm_service.backends.pieces import joined
from llm_service.backends.reading import Object, at, count, objects, text
from llm_service.backends.responses_items import instructions, items, split
from llm_service.backends.wire import Wire
from llm_service.domain.backend import Answer, Call, Model, Progress, most_tokens
from llm_service.domain.schemas import parsed
from parley.llm.v1 import completion_pb2, prompt_pb2

PATH = "/responses"
DELTAS = {"response.output_text.delta", "response.refusal.delta"}
ENDS = {"response.completed", "response.incomplete", "response.failed"}
CHOICES = {prompt_pb2.TOOL_CHOICE_NONE: "none", prompt_pb2.TOOL_CHOICE_REQUIRED: "required"}
INCOMPLETE = {
    "max_output_tokens": completion_pb2.FINISH_REASON_LENGTH,
    "content_filter": completion_pb2.FINISH_REASON_FILTERED,
}
# The most items that a conversation may be made with, by the API's reference.
MOST_SEEDS = 20


class OpenAiResponses:
    """A backend for /responses and /conversations."""

    def __init__(self, wire: Wire, *, name: str) -> None:
        self.name = name
        self._wire = wire

    async def models(self) -> tuple[Model, ...]:
        return await listed(self._wire, self.name)

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        body = await self._asked(prompt, model, stream=False)
        try:
            said = await self._wire.whole(PATH, body)
        except ModelUnknown as error:
            said = await self._wire.whole(PATH, await self._again(prompt, body, error=error))
        return self._end(said, prompt, answered=_texts(said))

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        body = await self._asked(prompt, model, stream=True)
        for tries in (1, 2):
            try:
                async with aclosing(joined(self._wire.events(PATH, body), partial(self._read, prompt))) as pieces:
                    async for piece in pieces:
                        yield piece
                        if isinstance(piece, Answer):
                            return
                raise ModelGarbage("The model server's answer ended before it was done.")
            except ModelUnknown as error:
                if tries == 2:
                    raise
                body = await self._again(prompt, body, error=error)

    def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        return no_pulling(name)

    async def aclose(self) -> None:
        await self._wire.aclose()

    def _read(self, prompt: prompt_pb2.Prompt, said: Object) -> str | Answer:
        kind = said.get("type")
        if kind in DELTAS:
            return text(said.get("delta"))
        if kind in ENDS:
            return self._end(_object(said.get("response")), prompt, answered="")
        if kind == "error":
            raise ModelUnavailable("The model server reported an error of its own.")
        return ""

    async def _asked(self, prompt: prompt_pb2.Prompt, model: Model, *, stream: bool) -> Object:
        if prompt.raw:
            raise ModelUnsupported(metadata={"feature": "raw"})
        body: Object = {"model": model.called, "stream": stream}
        if model.prompt_id:
            version = {"version": model.prompt_version} if model.prompt_version else {}
            body["prompt"] = {"id": model.prompt_id, **version}
        elif told := instructions(prompt):
            body["instructions"] = told
        if most := most_tokens(prompt, model):
            body["max_output_tokens"] = most
        if prompt.HasField("temperature"):
            body["temperature"] = prompt.temperature
        if prompt.tools:
            body["tools"] = [{"type": "function", "strict": False, **tool(each)} for each in prompt.tools]
            body["tool_choice"] = CHOICES.get(prompt.tool_choice, "auto")
        if prompt.output_schema:
            form = {"type": "json_schema", "name": "answer", "schema": parsed(prompt.output_schema)}
            body["text"] = {"format": form}
        return {**body, **await self._said_so_far(prompt)}

    async def _said_so_far(self, prompt: prompt_pb2.Prompt) -> Object:
        if not prompt.HasField("model_conversation"):
            return {"input": items(prompt.messages), "store": False}
        before, new = split(prompt.messages)
        backend, _, known = prompt.model_conversation.partition("/")
        if backend != self.name or not known:
            known = await self._begun(before)
            # Written here, so that another attempt, and the caller after a failure, go on in it.
            prompt.model_conversation = f"{self.name}/{known}"
        return {"input": items(new), "conversation": known}

    async def _begun(self, before: list[prompt_pb2.PromptMessage]) -> str:
        made = await self._wire.whole("/conversations", {"items": items(before)[-MOST_SEEDS:]})
        found = text(made.get("id"))
        if not 0 < len(found) <= 180:
            raise ModelGarbage("The model server's conversation has no id that can be kept.")
        return found

    async def _again(self, prompt: prompt_pb2.Prompt, body: Object, *, error: ModelUnknown) -> Object:
        """With a new conversation, when it was the old one that the server does not know any more."""
        if error.metadata.get("resource") != "conversation" or "conversation" not in body:
            raise error
        prompt.model_conversation = ""
        return {**body, **await self._said_so_far(prompt)}

    def _end(self, said: Object, prompt: prompt_pb2.Prompt, *, answered: str) -> Answer:
        if said.get("error") or said.get("status") == "failed":
            raise ModelUnavailable("The model server reported an error of its own.")
        calls = tuple(_call(item) for item in objects(said.get("output")) if item.get("type") == "function_call")
        reason = INCOMPLETE.get(str(at(said, "incomplete_details", "reason")), completion_pb2.FINISH_REASON_STOP)
        if calls:
            reason = completion_pb2.FINISH_REASON_TOOL_CALLS
        usage = count(at(said, "usage", "input_tokens")), count(at(said, "usage", "output_tokens"))
        return Answer(answered, reason, *usage, calls, prompt.model_conversation)


def _texts(said: Object) -> str:
    """All texts of all messages, in order. Text and refusal are written alike."""
    if "output" not in said and not said.get("error"):
        raise ModelGarbage("The model server's answer has no output.")
    parts = [part for item in objects(said.get("output")) for part in objects(_content(item))]
    return "".join(text(part.get("text", part.get("refusal"))) for part in parts)


def _content(item: Object) -> object:
    return item.get("content") if item.get("type") == "message" else None


def _call(item: Object) -> Call:
    return Call(text(item.get("call_id") or ""), text(item.get("name")), text(item.get("arguments") or "{}"))


def _object(said: object) -> Object:
    if not isinstance(said, dict):
        raise ModelGarbage("The model server's answer has no response where it should.")
    return said
