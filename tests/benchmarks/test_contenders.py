"""Every contender makes the picture that is asked for, or fails the run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench import workload
from bench.contenders import CONTENDERS, FULL, OURS, Worker
from bench.measure import WrongAnswer, check
from bench.workload import CROP, FIT, PAD, SHARPEN, TRANSFORM, Case
from benchmarks.conftest import SMALL


def test_a_contender_that_fails_or_does_something_else_fails_the_run() -> None:
    path = workload.write([SMALL])[SMALL.name]
    with pytest.raises(WrongAnswer, match="no such contender"), Worker("no such contender") as worker:
        worker.render(path, Case(SMALL))
    with pytest.raises(WrongAnswer, match=f"{OURS}: .*SourceNotFound"), Worker(OURS) as worker:
        worker.render(path.with_name("missing.jpg"), Case(SMALL))
    with pytest.raises(WrongAnswer, match=f"{FULL}: a picture of 400×266, not of 300×200"), Worker(FULL) as worker:
        worker.render(path, Case(replace(SMALL, size=(300, 200))))


@pytest.mark.parametrize("operation", [FIT, CROP, PAD, SHARPEN, TRANSFORM], ids=lambda operation: operation.name)
def test_every_contender_makes_what_is_asked_for(operation: workload.Operation) -> None:
    case = Case(SMALL, operation)
    path = workload.write([SMALL])[SMALL.name]
    for contender in CONTENDERS.values():
        if contender.able(case):
            check(contender.name, contender.make()(path, case), case.size, "jpeg")
