"""What a look is worth to other agents."""

from __future__ import annotations

from reconciler.reconcile.looks import Looks


def test_a_look_is_as_old_as_its_pass() -> None:
    looks = Looks()
    looks.begin(10.0)
    looks.answered(["gpu"])
    assert looks.clean() == {"gpu": 10.0}
    looks.begin(20.0)
    assert looks.clean() == {}, "it was not looked at"


def test_a_question_without_an_answer_is_not_made_up_for_by_another_look() -> None:
    looks = Looks()
    looks.begin(10.0)
    looks.answered(["gpu"])
    looks.left_open("gpu")
    looks.answered(["gpu"])
    assert looks.clean() == {}


def test_what_waits_for_its_turn_makes_the_look_as_old_as_the_last_turn() -> None:
    looks = Looks()
    for now, asked, waits in ((10.0, "a", "b"), (20.0, "b", "a"), (30.0, "a", "b")):
        looks.begin(now)
        looks.answered(["gpu"])
        looks.asked("gpu", asked)
        looks.postpone("gpu", waits)
        assert looks.clean() == ({} if now == 10.0 else {"gpu": now - 10.0})
    looks.forget({"a"})
    assert looks.clean() == {}
