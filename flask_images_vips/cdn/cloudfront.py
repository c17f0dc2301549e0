"""Purge a distribution of CloudFront, by tags or by paths. botocore signs the requests, and finds the credentials."""

from __future__ import annotations

import importlib.util
import os.path
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import ConfigError
from .backend import CdnFailed, Wanted, parts
from .tag_headers import TAG_HEADERS

_MOST_TAGS = 100  # in one call
_MOST_STARS = 15  # paths that end with a star, in progress at the same time
_TRIES = 3
_REGION = "us-east-1"  # of an API that is the same everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFront:
    """The distribution with the ID *distribution*.

    With *tags*, it is purged by tags: its CacheTagConfig names the header Cache-Tag. Without, it is purged by paths.
    *url* is that of the API, if it is not Amazon's.
    """

    kind: ClassVar[str] = "cloudfront"
    cure: ClassVar[str] = (
        "Correct the distribution, which is its ID, or the credentials of AWS: they need the permissions "
        "cloudfront:CreateInvalidation and, for this check, cloudfront:ListInvalidations."
    )
    variables: ClassVar[dict[str, str]] = {}

    distribution: str
    tags: bool = False
    url: str | None = None
    timeout: float = 5.0

    @property
    def tag_header(self) -> str | None:
        return TAG_HEADERS["cloudfront"].name if self.tags else None

    def purge(self, wanted: Wanted, *, soft: bool) -> None:
        """Purge *wanted*. There are no soft purges."""
        if self.tags:
            for tags in parts(wanted.tags, _MOST_TAGS):
                self._invalidate([f"#{tag}" for tag in tags])
        elif len(wanted.paths) > _MOST_STARS:
            self._invalidate([f"{os.path.commonprefix(wanted.paths)}*"])  # noqa: RUF071  (of letters, not of folders)
        elif wanted.paths:
            self._invalidate([f"{path}*" for path in wanted.paths])

    def check(self) -> None:
        self._ask("list_invalidations", MaxItems="1")

    def _invalidate(self, items: list[str]) -> None:
        paths = {"Quantity": len(items), "Items": items}
        self._ask("create_invalidation", InvalidationBatch={"Paths": paths, "CallerReference": str(uuid.uuid4())})

    def _ask(self, operation: str, **arguments: Any) -> None:
        import botocore.config  # noqa: PLC0415  (optional, and slow to import)
        import botocore.exceptions  # noqa: PLC0415
        import botocore.session  # noqa: PLC0415

        retries = {"total_max_attempts": _TRIES, "mode": "standard"}
        config = botocore.config.Config(connect_timeout=self.timeout, read_timeout=self.timeout, retries=retries)
        try:
            session = botocore.session.get_session()
            client = session.create_client("cloudfront", region_name=_REGION, endpoint_url=self.url, config=config)
            getattr(client, operation)(DistributionId=self.distribution, **arguments)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise CdnFailed(str(error)) from None


def check_botocore() -> None:
    """Check cheaply whether botocore is installed, without importing it.

    Raises:
        ConfigError: If it is not.
    """
    if importlib.util.find_spec("botocore") is None:
        raise ConfigError("CloudFront in IMAGES_CDN needs botocore: pip install 'flask-images-vips[cloudfront]'")
