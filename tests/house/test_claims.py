"""Every figure of the documents comes from a result file, or stands in a list with its reason."""

from __future__ import annotations

import pytest
from support.claims.claim import pattern, text, unclaimed
from support.claims.documents import CLAIMS, DOCUMENTS, KNOWN


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.words[:40])
def test_a_document_says_what_the_result_says(claim):
    assert pattern(claim.stated()).search(text(claim.document)), f"{claim.document} lacks: {claim.stated()}"


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.words[:40])
def test_a_figure_with_a_reason_is_still_there(known):
    assert pattern(known.words).search(text(known.document))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_figure_is_left_without_a_result(document):
    words = [claim.stated() for claim in CLAIMS if claim.document == document]
    words += [known.words for known in KNOWN if known.document == document]
    assert not unclaimed(document, words)
