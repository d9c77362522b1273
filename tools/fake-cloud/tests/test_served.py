"""The control plane and the way of a request, with a cloud that has one operation."""

from __future__ import annotations

import json

import pytest

from fake_cloud import collector, scenario
from fake_cloud.clock import Clock
from fake_cloud.control import Control
from fake_cloud.dispatch import Dispatcher
from fake_cloud.faults import Faults
from fake_cloud.ids import Ids
from fake_cloud.request import Answer, Cut, Request
from fake_cloud.rules import Rule, Rules
from fake_cloud.world import World

RULES = (Rule("rain.seconds", 60, "A", "it rains this long"),)


class Refused(Exception):
    """The cloud says no."""


class Sky(Dispatcher):
    """A cloud that rains when it is asked to."""

    request_id = "x-sky"

    def handle(self, request, entry):
        entry["operation"] = "Rain"
        faults = self.world.faults.take({"Rain"}, {"where": request.query})
        try:
            self.before(faults, entry)
        except Refused as refused:
            entry["outcome"] = str(refused)
            return Answer(400, {}, str(refused).encode())
        entry["outcome"] = "ok"
        self.world.event("rain", drops=1 // len(request.body))
        return Answer(200, {}, b"wet")

    def failed(self, entry):
        return Answer(500, {}, b"failed")

    def refusal(self, fault):
        return Refused(fault.get("code", "out of order"))


def check(operation, fault):
    if operation not in {"Rain", "Job", "*"}:
        raise ValueError(f"no operation {operation}")


def build(body):
    clock = Clock(scenario.start(body, {"things"}))
    faults = Faults({"error": {"force"}}, frozenset({"Job"}), check)
    world = World(clock, Rules(RULES, body.get("rules")), Ids(body.get("seed", 1)), faults)
    scenario.pace(world, body)
    scenario.finish(world, body, lambda *_: None, lambda world, job: world.event("job", who=job))
    return world


@pytest.fixture
def control():
    """An empty cloud."""
    return Control(build, Sky, {"shout": lambda world, body: world.event("shout", **body)}, {"seed": lambda w: w.now})


def call(control, name, body=None):
    """Status and answer of the control plane."""
    method, raw = ("GET", b"") if body is None else ("POST", json.dumps(body).encode())
    path, _, query = name.partition("?")
    told = control.answer(Request(method, f"/_fake/{path}", query, {}, raw))
    return told.status, json.loads(told.body)


def rain(control, query="", body=b"x"):
    """The cloud's answer."""
    return control.answer(Request("POST", "/rain", query, {"user-agent": "me"}, body))


def violations(control):
    return [(each["n"], each["operation"], each["side"]) for each in call(control, "violations")[1]]


def test_a_call_is_written_down_and_numbered(control):
    told = rain(control)
    rain(control)
    first, second = call(control, "journal")[1]
    assert (first["n"], second["n"], first["outcome"], first["status"], first["agent"]) == (1, 2, "ok", 200, "me")
    assert told.headers["x-sky"] == first["request_id"] != second["request_id"]
    assert call(control, "journal?since=1")[1] == [second]
    assert [event["what"] for event in call(control, "events")[1]] == ["rain", "rain"]


def test_a_mistake_of_the_fake_is_its_own_violation(control):
    assert rain(control, body=b"").status == 500
    assert violations(control) == [(1, "Rain", "fake")]
    assert call(control, "journal")[1][0]["outcome"] == "fake failed"
    assert "ZeroDivisionError" in call(control, "violations")[1][0]["errors"][0]


def test_a_mistake_in_what_happens_on_the_way_is_one_too(control):
    call(control, "reset", {"clock": {"per_request": 5}})
    control.world.clock.after(1, lambda: 1 // 0)
    assert rain(control).status == 500
    assert [side for _, _, side in violations(control)] == ["fake"]


def test_a_reset_hands_violations_over_and_keeps_nothing(control):
    rain(control, body=b"")
    status, told = call(control, "reset", {"seed": 2})
    assert (status, len(told["violations_before"])) == (200, 1)
    assert (violations(control), call(control, "journal")[1]) == ([], [])


def test_a_reset_that_is_refused_changes_nothing(control):
    rain(control)
    assert call(control, "reset", {"sed": 2})[0] == 400
    assert len(call(control, "journal")[1]) == 1


@pytest.mark.parametrize("body", [
    {"things": 1, "thing": 1}, {"rules": {"rain.second": 1}}, {"clock": {"fast": 1}}, {"start": "tomorrow"},
    {"faults": [{"op": "Snow", "fault": {"kind": "empty_page"}}]},
])  # fmt: skip
def test_a_typing_error_in_a_scenario_is_refused(control, body):
    status, told = call(control, "reset", body)
    assert (status, "error" in told) == (400, True)


def test_a_scenario_may_bring_others_and_faults(control):
    call(
        control,
        "reset",
        {"foreign_jobs": ["them"], "faults": [{"op": "Rain", "fault": {"kind": "error", "code": "No"}}]},
    )
    assert call(control, "events")[1][0]["who"] == "them"
    assert rain(control).body == b"No"


def test_unknown_requests_name_the_known_ones(control):
    status, told = call(control, "shuot", {})
    assert (status, "shout" in told["error"]) == (404, True)
    assert call(control, "shout", {"loud": 1}) == (200, None)
    assert call(control, "seed")[1] == call(control, "now")[1]["now"]
    assert control.answer(Request("POST", "/_fake/shout", "", {}, b"{")).status == 400


def test_rules_are_told_with_the_value_in_force(control):
    call(control, "reset", {"rules": {"rain.seconds": 7}})
    [rule] = call(control, "rules")[1]
    assert (rule["name"], rule["value"], rule["in_force"], rule["evidence"]) == ("rain.seconds", 60, 7, "A")
    assert control.world.rules["rain.seconds"] == 7
    control.world.rules.change({"rain.seconds": 8})
    assert control.world.rules["rain.seconds"] == 8
    call(control, "reset", {})
    assert control.world.rules["rain.seconds"] == 60


def test_time_moves_by_requests_by_hand_and_by_faults(control):
    call(control, "reset", {"start": 1000, "clock": {"per_request": 30}})
    rain(control)
    assert call(control, "advance", {"seconds": 5})[1] == {"now": 1035}
    call(control, "inject", {"op": "Rain", "fault": {"kind": "advance", "seconds": 100}})
    rain(control)
    assert call(control, "now")[1] == {"now": 1165, "next": None}
    assert [entry["time"] for entry in call(control, "journal")[1]] == [1030, 1065]


def inject(control, fault, op="Rain", **more):
    status, told = call(control, "inject", {"op": op, "fault": fault, **more})
    assert status == 200, told


@pytest.mark.parametrize(("when", "events"), [("before", 0), ("after", 1)])
def test_a_cut_ends_the_connection_before_or_after_the_work(control, when, events):
    inject(control, {"kind": "cut", "when": when})
    with pytest.raises(Cut):
        rain(control)
    assert call(control, "journal")[1][0]["cut"] is True
    assert len(call(control, "events")[1]) == events
    assert rain(control).status == 200


@pytest.mark.parametrize(("committed", "events"), [(False, 0), (True, 1)])
def test_a_foreign_answer_comes_with_or_without_the_work(control, committed, events):
    inject(control, {"kind": "http", "status": 503, "committed": committed, "retry_after": 9})
    told = rain(control)
    assert (told.status, told.headers["Retry-After"]) == (503, "9")
    assert len(call(control, "events")[1]) == events
    assert not [name for entry in call(control, "journal")[1] for name in entry if name.startswith("_")]


def test_a_fault_strikes_the_nth_matching_call_so_often(control):
    inject(control, {"kind": "error", "code": "No"}, nth=2, count=2, match={"where": "here"})
    seen = [rain(control, query).status for query in ("here", "there", "here", "here", "here")]
    assert seen == [200, 200, 400, 400, 200]


def test_a_fault_of_every_call_is_none_of_jobs(control):
    inject(control, {"kind": "error", "code": "No"}, op="*")
    assert control.world.faults.take({"Job"}, {}) == []
    assert rain(control).body == b"No"
    inject(control, {"kind": "outcome", "state": "bad"}, op="Job")
    assert control.world.faults.take({"Job"}, {}) == [{"kind": "outcome", "state": "bad"}]


@pytest.mark.parametrize("plan", [
    {"op": "Rain", "fault": {"kind": "thunder"}}, {"op": "Snow", "fault": {"kind": "cut"}}, {"op": "Rain"},
    {"op": "Rain", "fault": {"kind": "cut", "wen": "after"}}, {"op": "Rain", "fault": {"kind": "cut"}, "nht": 2},
    {"op": "Job", "fault": {"kind": "error", "code": "No"}}, {"op": "Rain", "fault": {"kind": "http", "force": True}},
])  # fmt: skip
def test_a_fault_that_makes_no_sense_is_refused(control, plan):
    assert call(control, "inject", plan)[0] == 400
    assert control.world.faults.plans == []


def test_the_garbage_collector_takes_what_is_new_old_enough_and_untagged():
    world = build({})
    things = {name: {"created": world.now, "tags": {}} for name in ("given",)}

    def find(kind):
        assert kind == "things"
        return [collector.Found(name, each["created"], each["tags"], lambda name=name: things.pop(name))
                for name, each in things.items()]  # fmt: skip

    collector.start(world, {"after_seconds": 100, "every_seconds": 10}, ["things"], set(), find)
    things |= {"bare": {"created": world.now, "tags": {}}, "kept": {"created": world.now, "tags": {"keep": ""}}}
    world.clock.advance(95)
    assert sorted(things) == ["bare", "given", "kept"]
    world.clock.advance(5)
    assert sorted(things) == ["given", "kept"]
    assert [event["resource"] for event in world.journal.events] == ["bare"]
    collector.start(world, {"after_seconds": 100, "every_seconds": 10, "spares": False}, ["things"], set(), find)
    world.clock.advance(10)
    assert sorted(things) == ["kept"], "nothing is spared because it was there before"
    for wrong in ({"after": 1}, {"kinds": ["others"]}):
        with pytest.raises(ValueError, match="unknown"):
            collector.start(world, wrong, ["things"], set(), find)
