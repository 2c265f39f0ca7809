"""`kizashi worker` on the store's streams with several partitions: `python -m tests.partitioned_worker 3`."""

from __future__ import annotations

import os
import sys

from alerts.sinks.choice import SinkSettings
from server.config import from_env
from streams import worker
from streams.backend import RedisStreams


def main(partitions: int) -> None:
    """Work on the store of the environment."""
    settings = from_env(os.environ)
    worker.run(
        redis_url=settings.store_url,
        broker_url=None,
        public_url=settings.public_url,
        secret_key=settings.secret_key or "",
        sinks=SinkSettings(slack_bot_token=None, slack_webhook_url=None, slack_api_url=None),
        backend=RedisStreams(redis_url=settings.store_url, partitions=partitions),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
