"""The small parts: words rewritten, pages, fields, handlers."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest

from fake_cloud import paging, registry, scenario, testing
from fake_cloud.clock import Clock
from fake_cloud.faults import rewritten
from fake_cloud.ids import Ids
from fake_cloud.journal import readable


@pytest.mark.parametrize(("changes", "told"), [
    ({"a": 2}, {"a": 2, "list": [{"b": 1}, {"b": 2}]}),
    ({"a": None}, {"list": [{"b": 1}, {"b": 2}]}),
    ({"nothing": None}, {"a": 1, "list": [{"b": 1}, {"b": 2}]}),
    ({"list.*.b": 3}, {"a": 1, "list": [{"b": 3}, {"b": 3}]}),
    ({"list.1.b": None}, {"a": 1, "list": [{"b": 1}, {}]}),
    ({"new.deep": 1, "a": 5}, {"a": 5, "list": [{"b": 1}, {"b": 2}], "new": {"deep": 1}}),
    ({"list.0": 7}, {"a": 1, "list": [7, {"b": 2}]}),
])  # fmt: skip
def test_words_are_rewritten_in_a_copy(changes, told):
    body = {"a": 1, "list": [{"b": 1}, {"b": 2}]}
    assert rewritten(body, changes) == told
    assert body == {"a": 1, "list": [{"b": 1}, {"b": 2}]}


def test_a_place_that_is_not_there_is_a_mistake():
    with pytest.raises(IndexError):
        rewritten({"list": []}, {"list.0.b": 1})


def test_a_token_leads_to_its_place_and_no_other_text_does():
    assert [paging.place(paging.token(place)) for place in (0, 7, 1000)] == [0, 7, 1000]
    assert paging.place(None) == paging.place("") == 0
    for strange in ("x", "YXQ6eA==", "YnQ6Nw==", "\xff"):
        with pytest.raises(ValueError, match=r"."):
            paging.place(strange)


@dataclasses.dataclass
class Thing:
    """Something with fields."""

    id: str
    size: int = 1


def test_fields_are_set_when_they_are_known():
    thing = scenario.make(Thing, {"size": 2}, "thing", id="a")
    assert scenario.put(thing, {"size": 3}) == {"size": 3}
    assert thing == Thing("a", 3)
    for wrong in ({"sise": 2}, {"id": "b"}):
        with pytest.raises(ValueError, match="unknown in thing"):
            scenario.make(Thing, wrong, "thing", id="a")
    with pytest.raises(ValueError, match="unknown in Thing: sise"):
        scenario.put(thing, {"sise": 2})


def test_an_operation_is_answered_once():
    handlers = registry.Handlers()

    @handlers.operation("sky", "Rain", "Snow")
    def fall(call):
        return call

    assert handlers == {("sky", "Rain"): fall, ("sky", "Snow"): fall}
    with pytest.raises(ValueError, match="twice"):
        handlers.operation("sky", "Snow")(fall)


@pytest.mark.parametrize(("expected", "found", "good"), [
    (set(), [], True), ({"Rain"}, ["Rain", "Rain"], True), (set(), ["Rain"], False), ({"Rain"}, [], False),
    ({"Rain"}, ["Rain", "Snow"], False), ({None}, [None], True),
])  # fmt: skip
@pytest.mark.parametrize("before_a_reset", [False, True])
def test_a_test_ends_with_the_violations_that_it_asked_for_and_no_others(expected, found, good, before_a_reset):
    violations = [{"operation": each} for each in found]

    class Told(testing.Fake):
        def call(self, name, body=None):
            return [] if before_a_reset else violations

    fake = Told(0)
    fake.expected, fake.found = expected, violations if before_a_reset else []
    with contextlib.nullcontext() if good else pytest.raises(AssertionError), fake.checked() as same:
        assert same is fake


def test_time_runs_forwards_and_events_happen_in_order_at_their_own_times():
    clock, seen = Clock(100), []
    clock.after(5, lambda: seen.append(("b", clock.now)))
    clock.after(2, lambda: (seen.append(("a", clock.now)), clock.after(1, lambda: seen.append(("c", clock.now)))))
    clock.after(4, lambda: seen.append("never")).cancel()
    assert clock.next_due == 102
    clock.advance(10)
    assert seen == [("a", 102), ("c", 103), ("b", 105)]
    assert (clock.now, clock.next_due) == (110, None)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)


def test_names_depend_on_the_seed_and_on_the_count_of_their_own_kind():
    one, two, other = Ids(1), Ids(1), Ids(2)
    two.uuid("job")
    assert one.hex("vol") == two.hex("vol") != other.hex("vol")
    assert one.hex("vol") != one.hex("snap")
    assert one.uuid("job") != two.uuid("job")


def test_a_journal_shows_blobs_by_their_length():
    assert readable({"a": [b"123", ("x", 1)]}) == {"a": ["<3 bytes>", ["x", 1]]}
