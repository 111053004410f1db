"""A VeloCMS-compatible development CMS on a real PocketBase (extra `demo`).

PocketBase keeps the content, has the dashboard and its own API; the scripts in `hooks/` add VeloCMS's `/api/v1` to it,
and a process of ours beside it delivers the webhooks. Nothing in velobuild but `demo` and `cli` imports this package.
"""

from velobuild.devcms.records import ApiKey, Delivery, LoggedRequest, Webhook
from velobuild.devcms.running import Running
from velobuild.devcms.seed import Seeded
from velobuild.devcms.server import DevCms
from velobuild.devcms.switches import GENEROUS, Switches

__all__ = [
    "GENEROUS",
    "ApiKey",
    "Delivery",
    "DevCms",
    "LoggedRequest",
    "Running",
    "Seeded",
    "Switches",
    "Webhook",
]
