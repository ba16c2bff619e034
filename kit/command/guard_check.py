"""What does `parley guard check` say? The action, the rules, and what else is known of one text."""

from kit.command import guard_calls
from kit.command.screen import document, say
from kit.moments import seconds
from parley.agent.v1 import agent_service_pb2 as agent


async def run(text: str, *, output: bool, as_json: bool) -> int:
    """The exit code: 1 when it would be blocked."""
    (verdict,) = await guard_calls.verdicts([text], output=output)
    if as_json:
        document(_document(verdict))
    else:
        _tell(verdict)
    return int(verdict.action == agent.GUARD_ACTION_BLOCK)


def _tell(verdict: agent.TextVerdict) -> None:
    action = guard_calls.action(verdict)
    say(f"  {'action':<11} {action}", "red" if action == "block" else "" if action == "pass" else "yellow")
    say(f"  {'rules':<11} {', '.join(verdict.rule_ids) or 'none'}")
    say(f"  {'categories':<11} {', '.join(verdict.categories) or 'none'}")
    say(f"  {'unsure':<11} {'yes: a judge would be asked, if there is one' if verdict.unsure else 'no'}")
    say(f"  {'normalised':<11} {'yes: it was disguised' if verdict.normalised else 'no'}")
    say(f"  {'took':<11} {seconds(verdict.took) * 1000:.2f} ms")


def _document(verdict: agent.TextVerdict) -> dict[str, object]:
    return {
        "action": guard_calls.action(verdict),
        "rule_ids": list(verdict.rule_ids),
        "categories": list(verdict.categories),
        "unsure": verdict.unsure,
        "normalised": verdict.normalised,
        "took_ms": round(seconds(verdict.took) * 1000, 3),
    }
