"""Settings: read from the environment, checked, and described."""

from __future__ import annotations

import pytest

from app.settings import Settings, load_settings, settings_table
from indexer.errors import InvalidInput


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"BEARING_{name.upper()}", raising=False)


def test_the_environment_is_read_and_keywords_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable sets, a keyword overrides it, and a keyword of None does not."""
    monkeypatch.setenv("BEARING_PORT", "9000")
    monkeypatch.setenv("BEARING_API_KEYS", "one, two,")
    assert load_settings(port=None).port == 9000
    assert load_settings(port=9001).port == 9001
    assert [key.get_secret_value() for key in load_settings().api_keys] == ["one", "two"]


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files set variables to nothing."""
    for name in Settings.model_fields:
        monkeypatch.setenv(f"BEARING_{name.upper()}", "")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("BACKEND", "magic"),
        ("THREADS", "-1"),
        ("MAX_K", "0"),
        ("API_KEYS", "ключ"),
        ("API_KEYS", "two words"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error says which variable is wrong."""
    monkeypatch.setenv(f"BEARING_{name}", value)
    with pytest.raises(InvalidInput, match=f"BEARING_{name}"):
        load_settings()


def test_a_bound_of_memory_bounds_what_recent_queries_take() -> None:
    """An eighth of it, if that is less than their own bound; the library's models know it, too."""
    assert load_settings().query_cache_bytes == 64_000_000
    assert load_settings(memory_mb=80).query_cache_bytes == 10_000_000
    assert load_settings(memory_mb=8_000).query_cache_bytes == 64_000_000
    assert load_settings(memory_mb=80, query_cache_mb=0).query_cache_bytes == 0
    assert load_settings(memory_mb=80).config.memory_mb == 80


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_without_keys_only_loopback_is_listened_on(host: str) -> None:
    """Another address is refused, with what would allow it."""
    with pytest.raises(InvalidInput, match=r"BEARING_API_KEYS.*BEARING_INSECURE"):
        load_settings(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    """Any address of this machine's own will do."""
    assert load_settings(host=host).is_local


def test_keys_or_insecure_allow_any_address() -> None:
    """Either a key or the explicit word opens the service to other machines."""
    assert load_settings(host="0.0.0.0", api_keys="key").is_guarded
    assert not load_settings(host="0.0.0.0", insecure="1").is_local


def test_a_queue_holds_the_largest_request() -> None:
    """A request that the limits allow must fit the queue."""
    with pytest.raises(InvalidInput, match="queue_texts"):
        load_settings(queue_texts=10)


def test_keys_are_not_shown() -> None:
    """Settings may be printed without giving keys away."""
    assert "sesame" not in repr(load_settings(api_keys="sesame"))


def test_every_setting_is_described() -> None:
    """The table has a line with a meaning for each setting."""
    table = settings_table()
    for name, field in Settings.model_fields.items():
        assert f"`BEARING_{name.upper()}`" in table
        assert field.description
        assert str(field.description) in table
