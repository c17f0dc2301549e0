"""Places in object stores."""

from __future__ import annotations

import pytest

from flask_images_vips.stores.location import Location, is_location, parse_location


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("s3://bucket", Location("s3", "bucket", "")),
        ("s3://bucket/", Location("s3", "bucket", "")),
        ("gs://my-bucket/some/prefix/", Location("gs", "my-bucket", "some/prefix")),
        ("az://container/ä b", Location("az", "container", "ä b")),
    ],
)
def test_a_place_is_parsed(text: str, location: Location) -> None:
    assert is_location(text)
    assert parse_location(text) == location
    assert parse_location(str(location)) == location


@pytest.mark.parametrize("text", ["static", "/srv/s3", "s3", "s3:/bucket", "C:\\s3", "file:///srv", "https://bucket/a"])
def test_a_folder_is_no_place(text: str) -> None:
    assert not is_location(text)


@pytest.mark.parametrize(
    "text", ["s3://", "s3:///a", "s3://b", "s3://Bucket/a", "s3://bucket/../a", "s3://bucket/a//b", "s3://bucket/a?b=c"]
)
def test_a_place_that_no_store_can_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_location(text)
