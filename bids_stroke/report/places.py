"""What examinations are called on pages, and where on a person's page they stand."""

from __future__ import annotations

from pathlib import Path

from bids_stroke.derivatives.names import dataset_file


def unit_name(subject: str, session: str | None) -> str:
    """What a unit is called on a page.

    >>> unit_name("01", "02")
    'sub-01, session 02'
    """
    return f"sub-{subject}" + (f", session {session}" if session else "")


def named(prefix: str) -> tuple[str, str]:
    """What a unit is called on a page, and the address of its place on the person's page.

    >>> named("sub-01_ses-02")
    ('sub-01, session 02', 'sub-01.html#ses-02')
    """
    person, _, session = prefix.removeprefix("sub-").partition("_ses-")
    return unit_name(person, session or None), page_of(person, session or None)


def page_of(subject: str, session: str | None) -> str:
    """Address of a unit's place on the person's page.

    >>> page_of("01", None)
    'sub-01.html#examination'
    """
    return f"{dataset_file(Path(), 'participant_report', subject=subject)}#{anchor(session)}"


def anchor(session: str | None) -> str:
    """What the place of a session on the person's page is called in addresses."""
    return f"ses-{session}" if session else "examination"
