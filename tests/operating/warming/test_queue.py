"""The queue of tasks: in their order, but never two with the same source at a time."""

from __future__ import annotations

import random
import threading
import time
from typing import NamedTuple

from flask_images_vips.operating.warming.queue import Queue


class Task(NamedTuple):
    ref: str
    number: int


def test_tasks_with_the_same_source_wait_for_each_other() -> None:
    a1, a2, b, a3 = tasks = [Task("a", 1), Task("a", 2), Task("b", 3), Task("a", 4)]
    queue = Queue(tasks)
    assert (queue.take(), queue.take()) == (a1, b)
    queue.release(a1)
    assert queue.take() is a2
    queue.release(b)
    queue.release(a2)
    assert queue.take() is a3
    queue.release(a3)
    assert queue.take() is None


def test_a_thread_waits_for_a_source_that_is_taken() -> None:
    queue = Queue([Task("a", 1), Task("a", 2)])
    first, taken = queue.take(), []
    assert first is not None
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()
    queue.release(first)
    thread.join(10)
    assert taken == [Task("a", 2)]


def test_nothing_is_handed_out_after_a_stop() -> None:
    queue = Queue([Task("a", 1), Task("a", 2)])
    queue.take()
    waiting = threading.Thread(target=queue.take)
    waiting.start()
    queue.stop()
    waiting.join(10)
    assert not waiting.is_alive()
    assert queue.take() is None


def test_many_threads_do_every_task_once_and_one_at_a_time_for_each_source() -> None:
    draws = random.Random(1)
    tasks = [Task(str(draws.randrange(7)), number) for number in range(300)]
    queue, busy, done, faults = Queue(tasks), set[str](), list[Task](), list[str]()

    def work() -> None:
        while (task := queue.take()) is not None:
            faults.extend([task.ref] if task.ref in busy else [])
            busy.add(task.ref)
            time.sleep(0)
            busy.discard(task.ref)
            done.append(task)
            queue.release(task)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert sorted(done) == sorted(tasks)
    for ref in {task.ref for task in tasks}:
        assert [task for task in done if task.ref == ref] == [task for task in tasks if task.ref == ref]
