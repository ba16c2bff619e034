"""What model service answers at once? LlmService on a loopback port, with one answer for everything."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc import aio

from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1 import model_pb2
from parley.llm.v1.completion_pb2 import Completion, FinishReason

SERVICE = "parley.llm.v1.LlmService"
WINDOW_TOKENS = 8192
ANSWER = llm.GenerateResponse(
    text="It is on its way and should be with you this week; I will tell you when it leaves the warehouse.",
    completion=Completion(
        finish_reason=FinishReason.FINISH_REASON_STOP,
        model="instant",
        backend="instant",
        input_tokens=400,
        output_tokens=24,
        attempts=1,
    ),
)


async def serve(port: int) -> aio.Server:
    """Listens until it is stopped."""
    server = aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Generate": grpc.unary_unary_rpc_method_handler(
            _generate, llm.GenerateRequest.FromString, llm.GenerateResponse.SerializeToString
        ),
        "GenerateMany": grpc.stream_stream_rpc_method_handler(
            _generate_many, llm.GenerateManyRequest.FromString, llm.GenerateManyResponse.SerializeToString
        ),
        "ListModels": grpc.unary_unary_rpc_method_handler(
            _list_models, model_pb2.ListModelsRequest.FromString, model_pb2.ListModelsResponse.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server


async def _generate(_request: llm.GenerateRequest, _context: Any) -> llm.GenerateResponse:
    return ANSWER


async def _generate_many(
    frames: AsyncIterator[llm.GenerateManyRequest], _context: Any
) -> AsyncIterator[llm.GenerateManyResponse]:
    async for frame in frames:
        yield llm.GenerateManyResponse(answers=[llm.Answer(id=ask.id, response=ANSWER) for ask in frame.asks])


async def _list_models(_request: model_pb2.ListModelsRequest, _context: Any) -> model_pb2.ListModelsResponse:
    instant = model_pb2.Model(name="instant", backend="instant", window_tokens=WINDOW_TOKENS)
    return model_pb2.ListModelsResponse(models=[instant], default_model="instant")
