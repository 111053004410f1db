"""Delivers the webhooks of a development CMS: a process beside PocketBase, started with it and ended with it.

PocketBase's hooks run inside the editor's save and have no timers, so they only write outbox rows; this process sends
what is due, tries again after 1, 2 and 4 s, and reports how each attempt ended. It keeps nothing itself: killed at any
moment, its successor goes on from the rows, so that a delivery may arrive twice but is never lost.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from velobuild.devcms import processes, signature
from velobuild.devcms.admin import Admin
from velobuild.errors import VelobuildError
from velobuild.model.ports import Clock, utc_now

RETRY_AFTER_S = (1, 2, 4)
TIMEOUT_S = 10.0
LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended. `status` is 0 where no answer came; `error` is "" where it was a 2xx."""

    status: int
    error: str

    @property
    def delivered(self) -> bool:
        return not self.error


def next_attempt_ms(attempts: int, ended_at_ms: int) -> int | None:
    """When to try again after `attempts` failed ones, as Unix milliseconds; None = never."""
    if attempts > len(RETRY_AFTER_S):
        return None
    return ended_at_ms + RETRY_AFTER_S[attempts - 1] * 1000


async def attempt(delivery: Mapping[str, Any], client: httpx.AsyncClient, *, now: Clock, timeout_s: float) -> Attempt:
    """Send one delivery. `timeout_s` bounds the whole exchange, however slowly the other side drips."""
    body = delivery["body"].encode()
    variant = cast(signature.Variant, delivery["variant"])
    headers = signature.headers(variant, delivery["secret"], body, int(now().timestamp()))
    try:
        async with asyncio.timeout(timeout_s):
            # Streamed and not read: only the status counts, and a body could be endless.
            async with client.stream(
                "POST", delivery["url"], content=body, headers={"Content-Type": "application/json", **headers}
            ) as answer:
                status = answer.status_code
    except TimeoutError:
        return Attempt(0, f"no answer within {timeout_s:g} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Attempt(0, f"{type(error).__name__}: {error}")
    return Attempt(status, "" if 200 <= status < 300 else f"answered {status}")


class Deliverer:
    """Sends what is due, many at a time, no delivery twice at once."""

    def __init__(self, admin: Admin, *, clock: Clock = utc_now, timeout_s: float = TIMEOUT_S) -> None:
        self._admin = admin
        self._clock = clock
        self._timeout_s = timeout_s
        self._under_way: dict[str, asyncio.Task[None]] = {}
        # Never through a proxy, never after a redirect: what was registered is what gets the payload.
        self._client = httpx.AsyncClient(timeout=None, trust_env=False, follow_redirects=False)  # noqa: S113

    async def send_due(self) -> int:
        """Begin every delivery whose time has come, and return how many; `settled` waits for their end."""
        # Noted before asking: what ends while the answer is on its way is in it still, and must not be sent again.
        busy = set(self._under_way)
        due = await asyncio.to_thread(self._admin.call, "GET", "/api/dev/outbox", params={"now": self._now_ms()})
        begun = 0
        for delivery in due["deliveries"]:
            if delivery["id"] not in busy:
                self._under_way[delivery["id"]] = asyncio.create_task(self._deliver(delivery))
                begun += 1
        return begun

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way.values())

    async def run(self, keep_on: Callable[[], bool]) -> None:
        """Deliver until `keep_on` says no. A server that is away for a moment is asked again."""
        while keep_on():
            try:
                await self.send_due()
            except VelobuildError as error:
                print(error, file=sys.stderr, flush=True)  # noqa: T201 - the process's log
            await asyncio.sleep(LOOK_EVERY_S)

    async def close(self) -> None:
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._client.aclose()

    async def _deliver(self, delivery: Mapping[str, Any]) -> None:
        try:
            ended = await attempt(delivery, self._client, now=self._clock, timeout_s=self._timeout_s)
            again = None if ended.delivered else next_attempt_ms(delivery["attempts"] + 1, self._now_ms())
            outcome = {
                "delivered": ended.delivered,
                "status": ended.status,
                "error": ended.error[:1000],
                "next_at_ms": again,
            }
            await asyncio.to_thread(self._admin.call, "POST", f"/api/dev/outbox/{delivery['id']}", json=outcome)
        except VelobuildError as error:
            # The row still says pending: the next look sends it again.
            print(error, file=sys.stderr, flush=True)  # noqa: T201 - the process's log
        finally:
            del self._under_way[delivery["id"]]

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)


async def _serve(folder: Path) -> None:
    server = json.loads((folder / "server.json").read_text(encoding="utf-8"))
    login = json.loads((folder / "login.json").read_text(encoding="utf-8"))
    admin = Admin(f"http://127.0.0.1:{server['port']}", login["email"], login["password"])
    deliverer = Deliverer(admin)
    task = asyncio.create_task(deliverer.run(lambda: processes.is_running(server["pid"], str(folder))))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass
    finally:
        await deliverer.close()
        admin.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
