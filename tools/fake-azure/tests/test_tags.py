"""The tags of one resource by their own calls."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import DISK, SHARE, VOLUME, code


@pytest.fixture
def tags(fake):
    return fake.client("resources").tags


def update(tags, scope, operation, **values):
    asked = {"operation": operation, "properties": {"tags": values}}
    return tags.begin_update_at_scope(scope.strip("/"), asked, polling_interval=0).result().properties.tags


def test_merging_leaves_the_others_and_the_case_of_names_as_they_are(fake, tags):
    assert update(tags, DISK, "Merge", keep="yes") == {"team": "ml", "keep": "yes"}
    assert update(tags, DISK, "Merge", TEAM="ops") == {"team": "ops", "keep": "yes"}
    assert fake.client("compute").disks.get("rg", "db").tags == {"team": "ops", "keep": "yes"}
    assert update(tags, VOLUME, "Replace", one="1") == {"one": "1"}
    assert tags.get_at_scope(VOLUME.strip("/")).properties.tags == {"one": "1"}


def test_only_what_has_the_value_given_is_removed(fake, tags):
    assert update(tags, DISK, "Delete", TEAM="ops", other="x") == {"team": "ml"}
    assert update(tags, DISK, "Delete", TEAM="ml") == {}


def test_what_carries_no_tags_is_refused(fake, tags):
    with pytest.raises(HttpResponseError) as error:
        update(tags, SHARE, "Merge", keep="yes")
    assert code(error) == "ResourceTypeNotSupported"
    with pytest.raises(ResourceNotFoundError):
        tags.get_at_scope(f"{DISK}-2".strip("/"))


def test_a_resource_has_fifty_tags_at_most(fake, tags):
    with pytest.raises(HttpResponseError) as error:
        update(tags, DISK, "Merge", **{f"t{at}": "" for at in range(50)})
    assert code(error) == "InvalidTagCount"
