"""How far a partition is done: never over a hole."""

from __future__ import annotations

import pytest

from streams.plugins.progress import Progress

#: batches begun, those finished in turn -> where to read on after each, and how many are under way at the end
CASES: list[tuple[list[int], list[list[int]], list[int | None], int]] = [
    ([5, 9], [[], [5], [9]], [None, 6, 10], 0),
    ([5, 9, 12], [[5, 9]], [10], 1),
    ([5, 9, 12], [[9], [12]], [None, None], 3),
    ([5, 9, 12], [[9], [5]], [None, 10], 1),
    ([5], [[3], [4, 7]], [None, None], 1),
    ([5], [[5], []], [6, 6], 0),
]


@pytest.mark.parametrize(("begun", "finished", "reached", "under_way"), CASES)
def test_nothing_is_done_before_all_that_came_earlier(
    begun: list[int], finished: list[list[int]], reached: list[int | None], under_way: int
) -> None:
    progress = Progress()
    for last in begun:
        progress.begin(last)
    seen = []
    for lasts in finished:
        progress.finish(lasts)
        seen.append(progress.reached)
    assert (seen, progress.under_way) == (reached, under_way)


def test_the_next_batch_goes_on_from_there() -> None:
    progress = Progress()
    progress.begin(5)
    progress.finish([5])
    progress.begin(9)
    assert progress.reached == 6
    progress.finish([9])
    assert progress.reached == 10
