"""Models by name, their prices, and what a user's settings make of them."""

import pytest

from workbench.models.base import ModelInfo
from workbench.models.catalogue import Catalogue, CatalogueError
from workbench.protocol.result import Usage

CATALOGUE = Catalogue.load()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (None, "claude-sonnet-5-5"),
        ("", "claude-sonnet-5-5"),
        ("inherit", "claude-sonnet-5-5"),
        ("sonnet", "claude-sonnet-5-5"),
        ("Opus", "claude-opus-5-5"),
        ("haiku", "claude-haiku-5-5"),
        ("fable", "claude-fable-5-1"),
        ("claude-opus-4-6", "claude-opus-4-6"),
    ],
)
def test_names(name: str | None, wanted: str) -> None:
    info = CATALOGUE.find(name)
    assert (info.id, info.known) == (wanted, True)


def test_a_dated_id_is_its_family_and_keeps_its_name() -> None:
    info = CATALOGUE.find("claude-sonnet-4-5-20250929")
    assert (info.id, info.thinking, info.input, info.known) == ("claude-sonnet-4-5-20250929", "budget", 3, True)


def test_an_unknown_model_has_no_price_and_gets_nothing_special() -> None:
    info = CATALOGUE.find("qwen3-coder:30b")
    assert (info.id, info.known, info.input, info.thinking, info.caching) == (
        "qwen3-coder:30b",
        False,
        None,
        "none",
        False,
    )
    assert info.cost(Usage(input_tokens=1000)) is None


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("sonet", "sonnet"),
        ("claude-sonnet-9", "sonnet"),
        ("claude-opus-latest", "opus"),
        ("claud-haiku-5-5", "haiku"),
        ("gpt-7", None),
    ],
)
def test_the_nearest_name(name: str, near: str | None) -> None:
    assert CATALOGUE.nearest(name) == near


def test_a_cache_write_costs_more_and_a_read_a_tenth() -> None:
    usage = Usage(input_tokens=100_000, output_tokens=10_000, cache_creation_input_tokens=200_000)
    usage.cache_read_input_tokens = 300_000
    assert CATALOGUE.find("sonnet").cost(usage) == pytest.approx(0.2 + 0.1 + 0.5 + 0.06)


def test_a_long_prompt_has_prices_of_its_own() -> None:
    haiku = CATALOGUE.find("haiku")
    assert haiku.cost(Usage(input_tokens=100_000, output_tokens=1_000_000)) == pytest.approx(0.51)
    assert haiku.cost(Usage(cache_read_input_tokens=100_001, output_tokens=1_000_000)) == pytest.approx(2.505, abs=1e-3)


def test_settings_change_a_row_by_id_or_alias_and_add_new_ones() -> None:
    local = {"window": 32_768, "max_output": 8_192, "input": 0, "output": 0}
    catalogue = Catalogue.load({"sonnet": {"input": 1.5}, "qwen3": local, "opus": {"aliases": ["big"]}})
    assert catalogue.find("claude-sonnet-5-5").input == 1.5
    assert catalogue.find("sonnet").output == 10
    assert catalogue.find("big").id == "claude-opus-5-5"
    added = catalogue.find("qwen3")
    assert (added.known, added.window, added.caching) == (True, 32_768, False)
    assert added.cost(Usage(input_tokens=5)) == 0
    assert CATALOGUE.find("sonnet").input == 2


@pytest.mark.parametrize(
    ("fields", "word"), [({"prize": 3}, "prize"), ({"input": "cheap"}, "input"), ("cheap", "cheap"), ({"id": 3}, "id")]
)
def test_settings_that_make_no_sense_are_told(fields: object, word: str) -> None:
    with pytest.raises(CatalogueError, match=rf"models\.sonnet.*{word}"):
        Catalogue.load({"sonnet": fields})  # type: ignore[dict-item]


def test_every_row_is_complete() -> None:
    for info in CATALOGUE.rows.values():
        assert info.window > info.max_output > 0
        assert (info.input is None) == (info.output is None)
        assert info.default_effort is None or info.default_effort in info.efforts
        assert info == ModelInfo(**{field: getattr(info, field) for field in info.__struct_fields__})
