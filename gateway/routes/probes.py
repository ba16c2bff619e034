"""Is it alive, can it serve, what does it count? For orchestrators, `parley doctor` and Prometheus."""

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway.backends.neighbours import Neighbours, Report


def routes(neighbours: Neighbours, is_open: Callable[[], bool]) -> list[Route]:
    """The three probes. `is_open` says that the accounts of the environment exist and no drain has begun."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(request: Request) -> Response:
        report, open_now = await neighbours.report(), is_open()
        ready = report.ready and open_now
        status = 200 if ready else 503
        if "verbose" in request.query_params:
            return JSONResponse(described(report, open_now=open_now), status)
        return PlainTextResponse("ready\n" if ready else "not ready\n", status)

    async def measured(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", measured)]


def described(report: Report, *, open_now: bool) -> dict[str, object]:
    """Each dependency by name. Storage decides, and the accounts; what the others miss meanwhile waits for them."""
    dependencies: dict[str, dict[str, str]] = {name: {"state": state} for name, state in report.states.items()}
    model = report.model
    dependencies["llm"] |= {"backend": model.backend, "model": model.model, "note": model.note}
    dependencies["accounts"] = {"state": "serving" if open_now else "not_serving"}
    ready, complete = report.ready and open_now, all(state == "serving" for state in report.states.values())
    status = "ready" if ready and complete else "degraded" if ready else "not ready"
    return {"status": status, "dependencies": dependencies}
