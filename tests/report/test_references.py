"""How a work is written in a list and in BibTeX."""

from __future__ import annotations

import pytest

from bids_stroke.report.references import REFERENCES, Reference


def test_an_article_in_both_styles() -> None:
    work = Reference("Basser, Pierpaoli", 1996, "Features", "J Magn Reson B 111:209-219", "10.1/x")
    assert work.in_words() == "Basser, Pierpaoli (1996). Features. J Magn Reson B 111:209-219. https://doi.org/10.1/x"
    assert work.bibtex("basser1996").splitlines() == [
        "@article{basser1996,",
        "  author = {Basser and Pierpaoli},",
        "  title = {{Features}},",
        "  year = {1996},",
        "  journal = {J Magn Reson B},",
        "  volume = {111},",
        "  pages = {209--219},",
        "  doi = {10.1/x},",
        "}",
    ]


def test_what_is_no_article_says_where_it_is() -> None:
    entry = REFERENCES["woo2018"].bibtex("woo2018")
    assert entry.startswith("@misc{woo2018,") and "howpublished = {European Conference" in entry
    assert "author = {Tustison and others}" in REFERENCES["tustison2010"].bibtex("tustison2010")


@pytest.mark.parametrize("key", REFERENCES)
def test_each_is_whole(key: str) -> None:
    work = REFERENCES[key]
    assert str(work.year) in key or key == "miccai2025"
    assert work.title and work.where
    assert work.doi == "" or work.doi.startswith("10.")
    entry = work.bibtex(key)
    assert entry.count("{") == entry.count("}")
    assert "- " not in work.title.replace("- and ", " ") and "  " not in work.title
    assert entry.count("&") == entry.count(r"\&")
    assert "None" not in entry and "= {}" not in entry
