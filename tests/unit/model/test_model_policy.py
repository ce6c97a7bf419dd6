"""The switches: names, presets, documentation."""

from dataclasses import fields
from typing import get_args, get_type_hints

import pytest

from model.policy import DEFECTS, FIXES, Policy
from model.setting import Setting

SWITCHES = [field.name for field in fields(Policy) if isinstance(field.default, bool)]
SERVICE_DEFECTS = [f"D{n}" for n in ("1a", "1b", *range(3, 9), *range(10, 16))]
SERVICE_FIXES = [f"F{n}" for n in (1, "1b", *range(2, 9), *range(10, 16), 17)]


def test_the_default_is_correct_and_the_incident_has_every_defect():
    assert all(getattr(Policy(), name) for name in SWITCHES)
    assert not any(getattr(Policy.incident(), name) for name in SWITCHES)


def test_the_incident_has_its_numbers():
    incident = Policy.incident()
    assert (incident.access_ttl_s, incident.waiting_ttl_s) == (900, 600)
    assert (incident.sweep_interval_s, incident.booking_expiry_s) == (300, 300)


@pytest.mark.parametrize("defect", SERVICE_DEFECTS)
def test_each_defect_can_be_on_alone(defect):
    policy = Policy().with_defect(defect)
    assert [name for name in SWITCHES if not getattr(policy, name)] == [DEFECTS[defect]]


def test_the_tables_name_every_defect_and_fix_of_the_service():
    assert list(DEFECTS) == SERVICE_DEFECTS
    assert list(FIXES) == SERVICE_FIXES


@pytest.mark.parametrize("fix", [fix for fix in SERVICE_FIXES if fix != "F2"])
def test_each_fix_turns_one_defect_of_the_incident_off(fix):
    policy = Policy.incident().with_fix(fix)
    assert [name for name in SWITCHES if getattr(policy, name)] == list(FIXES[fix])


def test_shorter_lives_are_the_second_stopgap():
    policy = Policy.incident().with_fix("F2")
    assert (policy.access_ttl_s, policy.waiting_ttl_s) == (420, 300)


@pytest.mark.parametrize("defect", ["D2", "D9", "D16", "D17", "", "d3"])
def test_a_defect_the_service_has_not_is_refused_with_those_it_has(defect):
    with pytest.raises(ValueError, match="allowed: D1a, D1b, D3") as refusal:
        Policy().with_defect(defect)
    assert repr(defect) in str(refusal.value)


@pytest.mark.parametrize("fix", ["F2c", "F9", "F16", "D3"])
def test_a_fix_the_service_has_not_is_refused_with_those_it_has(fix):
    with pytest.raises(ValueError, match="allowed: F1, F1b, F2, F3"):
        Policy().with_fix(fix)


def test_every_field_is_documented_and_every_number_has_source_and_range():
    hints = get_type_hints(Policy, include_extras=True)
    for name, default in ((field.name, field.default) for field in fields(Policy)):
        (setting,) = [part for part in get_args(hints[name]) if isinstance(part, Setting)]
        assert setting.doc.endswith("."), name
        if not isinstance(default, bool | str):
            assert setting.unit, name
            assert setting.source, name
            assert setting.low < setting.high, name
            assert default is None or setting.low <= default <= setting.high, name


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({"admissions_per_min": 60, "admission_atomic": False}, "admission_atomic"),
        ({"admissions_per_min": 60, "promote_from_waiting": False}, "promote_from_waiting"),
        ({"absence_s": 60.0, "guard_asks_queue": False}, "guard_asks_queue"),
    ],
)
def test_a_policy_on_a_queue_that_cannot_keep_it_is_refused(changes, needs):
    with pytest.raises(ValueError, match=needs):
        Policy(**changes)
