import os

from flows.stages.workers import TwinWorkers


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
