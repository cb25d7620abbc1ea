import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows.workers import TwinWorkers, twin_workers


def doubled(numbers: list[int]) -> list[int]:
    """What a worker runs here: 13 is a usage error, 666 takes the whole process down."""
    for number in numbers:
        if number == 13:
            raise ValueError("thirteen")
        if number == 666:
            os._exit(1)
    return [2 * number for number in numbers]


def test_one_bad_request_costs_its_own_answer_only() -> None:
    with TwinWorkers(2) as workers:
        answers = workers.spread(doubled, [1, 13, 2, 666, 3, 4])
        assert [str(answer) for answer in answers] == [
            "2",
            "thirteen",
            "4",
            "the twin's process died",
            "6",
            "8",
        ]
        assert workers.spread(doubled, [5]) == [10]


def test_one_worker_is_this_process() -> None:
    with TwinWorkers(1) as workers:
        answers = workers.spread(lambda batch: [os.getpid() for _ in doubled(batch)], [1, 13])
    assert [str(answer) for answer in answers] == [str(os.getpid()), "thirteen"]


def test_requests_of_one_key_share_a_call() -> None:
    with TwinWorkers(2) as workers:
        answers = workers.spread(doubled, [1, 13, 3], by=lambda number: number > 10 or number == 1)
    assert [str(answer) for answer in answers] == ["thirteen", "thirteen", "6"]


def reported_and_doubled(requests: list[tuple[str, int]]) -> list[int]:
    """Tells its process's id in the folder given, works for a while, doubles."""
    for folder, _ in requests:
        (Path(folder) / str(os.getpid())).touch()
        time.sleep(0.2)
    return [2 * number for _, number in requests]


def test_a_worker_killed_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    requests = [(str(tmp_path), number) for number in range(8)]
    with TwinWorkers(2) as workers, ThreadPoolExecutor(1) as thread:
        running = thread.submit(workers.spread, reported_and_doubled, requests)
        deadline = time.monotonic() + 30
        while not (pids := [int(path.name) for path in tmp_path.iterdir()]) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)
        assert running.result(timeout=60) == [2 * number for number in range(8)]
    assert len(list(tmp_path.iterdir())) > 1  # a new process took over


def test_blocks_of_a_run_share_their_workers() -> None:
    with twin_workers(3) as outer:
        with twin_workers(3) as inner, twin_workers(2) as other:
            assert inner is outer
            assert other is not outer
        assert outer.spread(doubled, [4]) == [8]  # the inner block's end left them running
    with twin_workers(3) as later:
        assert later is not outer
