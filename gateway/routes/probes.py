"""Is it alive, can it serve, what does it count? For orchestrators, `parley doctor` and Prometheus."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway.backends.neighbours import Neighbours, Report


def routes(neighbours: Neighbours) -> list[Route]:
    """The three probes."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(request: Request) -> Response:
        report = await neighbours.report()
        status = 200 if report.ready else 503
        if "verbose" in request.query_params:
            return JSONResponse(described(report), status)
        return PlainTextResponse("ready\n" if report.ready else "not ready\n", status)

    async def measured(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", measured)]


def described(report: Report) -> dict[str, object]:
    """Each dependency by name. Only storage decides: what the others miss meanwhile waits for them."""
    dependencies: dict[str, dict[str, str]] = {name: {"state": state} for name, state in report.states.items()}
    model = report.model
    dependencies["llm"] |= {"backend": model.backend, "model": model.model, "note": model.note}
    complete = all(state == "serving" for state in report.states.values())
    status = "ready" if complete else "degraded" if report.ready else "not ready"
    return {"status": status, "dependencies": dependencies}
