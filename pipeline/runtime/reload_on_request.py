"""`POST /-/reload`: reloads the configuration and answers with the result.

The answer is text, or JSON if that is preferred (`Accept: application/json`):

```json
{"reloaded":true,"file":"…","sinks":{"added":["b"],"removed":[],"changed":["a"]},"routes":["all"],
 "sources":[],"needs_restart":["http.listen"],"warnings":[]}
{"reloaded":false,"file":"…","errors":["…:4: sinks.a.type: there is no sink type …"]}
```
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import hdrs, web

from pipeline.observe.access import Access, Guard
from pipeline.observe.server import prefers_json
from pipeline.runtime.reload import Outcome, Reloader

STATUS = {"reloaded": 200, "refused": 400, "failed": 500, "stopping": 503}


class Reloading:
    """Handles the requests. All that come during a reload share the next one."""

    def __init__(self, access: Access = "all") -> None:
        """`access`: who may reload, besides having the token (`http.reload`)."""
        self._guard = Guard("reloading", "http.reload", "send SIGHUP to the agent", access)
        self.reloader: Reloader | None = None
        """Set once the agent can be reloaded."""

    async def handle(self, request: web.Request) -> web.Response:
        """Answers a request, with 403 if the client may not reload and 503 before the agent can."""
        if reason := self._guard.refusal(request):
            return web.Response(status=403, text=reason + "\n")
        if self.reloader is None:
            return web.Response(status=503, text="the agent is still starting\n")
        outcome = await self.reloader.reload()
        status = STATUS[outcome.result]
        if prefers_json(request.headers.get(hdrs.ACCEPT, "")):
            body = json.dumps(_json(outcome), ensure_ascii=False) + "\n"
            return web.Response(status=status, text=body, content_type="application/json")
        return web.Response(status=status, text="".join(f"{line}\n" for line in outcome.lines))


def _json(outcome: Outcome) -> dict[str, Any]:
    difference = outcome.difference
    if difference is None:
        return {"reloaded": False, "file": outcome.file, "errors": outcome.errors}
    return {
        "reloaded": True,
        "file": outcome.file,
        "sinks": {
            "added": difference.added,
            "removed": difference.removed,
            "changed": difference.changed,
        },
        "routes": difference.routes,
        "sources": difference.sources,
        "needs_restart": difference.fixed,
        "warnings": outcome.warnings,
    }
