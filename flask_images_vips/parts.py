"""Hold the objects that serve one application's images, and let them do together what concerns several of them.

The front door is the folder of links that nginx serves images from, without asking the application.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .cache.per_process import Said
from .cache.tombstones import Tombstones
from .fleet.connection import RedisFailed
from .fleet.log import CLOSE
from .fleet.roster import Told
from .late_facts import LateFacts
from .nginx.front_door import FrontDoor
from .pipeline import Pipeline
from .recompression import Recompressor
from .smaller_jxl import SmallerJxl
from .system_errors import cause

if TYPE_CHECKING:
    from .fleet.fleet import Fleet
    from .fleet.messages import Messages
    from .learning import Learner

logger = logging.getLogger("flask_images_vips")


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects that serve one application's images, built from its configuration.

    *links* is the front door, also if the configuration turns it off: then it only removes links. *background* is None
    if the configuration turns it off, or the environment does not support it. *later* is None if the environment runs
    no background threads. *tombstones* remember which sources were forgotten. *fleet* joins the hosts of the site, and
    *messages* tell them what is removed; both are None without ``IMAGES_REDIS``. *learner* learns what other hosts have
    forgotten; it is None if hosts share no tombstones, or no threads run. *smaller_jxl* makes files of JPEG XL; it is
    None if the configuration does not prefer them to AVIF, or no threads run.
    """

    pipeline: Pipeline
    links: FrontDoor
    background: Recompressor | None = None
    later: LateFacts | None = None
    tombstones: Tombstones = field(default_factory=lambda: Tombstones(os.devnull))
    fleet: Fleet | None = None
    messages: Messages | None = None
    learner: Learner | None = None
    smaller_jxl: SmallerJxl | None = None

    @property
    def front_door(self) -> FrontDoor | None:
        """The front door, or None if it is turned off."""
        return None if self.links.is_closed else self.links

    def open(self) -> None:
        """Remove what other hosts have removed, and links of nginx that are of another configuration.

        Call this once in each process, in a request, before images are served.
        """
        if self.front_door is not None or self.messages is not None:
            self.pipeline.cache.usable()  # creates its folder, with the right modes
        if self.messages is not None:
            self.messages.open()
        else:
            self.learn()
        if self.learner is not None:
            self.learner.start()
        self.links.open()

    def learn(self) -> None:
        """Learn what other hosts have forgotten, if they share their tombstones. Errors are logged, each time once."""
        try:
            if self.tombstones.sync():
                self.links.empty()
                self.pipeline.erase_barred()
            _said.get().discard("unknown")
        except RedisFailed:  # this is logged already
            pass
        except OSError as error:
            if _said.add("unknown"):
                logger.error(
                    "Which pictures other hosts have forgotten is not known, so this one may show them: %s. This is "
                    "tried again.",
                    cause(error),
                )

    def renew_links(self) -> None:
        """Remove the links of nginx to URLs that are signed with former secret keys, on all hosts."""
        if self.front_door is not None:
            self.front_door.renew()
            self.tell(CLOSE)

    def tell(self, kind: str, ref: str = "", *, wait: bool = False) -> Told:
        """Tell all hosts what was done here, if there are others: see `Messages.tell`."""
        return Told() if self.messages is None else self.messages.tell(kind, ref, wait=wait)


_said = Said()
