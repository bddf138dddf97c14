"""README says what the tables say."""

from gateway.config import Configuration
from tests.readme import README, sections, with_sections


def test_readme_drawn_parts_are_what_the_tables_say() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_sections(text) == text, "run: python -m tests.readme"
    assert all(sections().values())


def test_readme_names_every_configuration_section() -> None:
    text = README.read_text(encoding="utf-8")
    for section in Configuration.model_fields:
        assert f"`[{section}]`" in text or f"`[[{section}]]`" in text
